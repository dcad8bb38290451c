#pragma once
// Who may ask, and how often: the bearer token and the caller's buckets.
#include "http/routes/call.hpp"

#include <cstdint>
#include <optional>

namespace memseal::http {

/// Verifies the bearer token and sets Call::who. Returns the answer of a request that is refused:
/// 401. REQUIRES: RouteDeps::api.
std::optional<Response> authenticate(Call& call);

/// The answer of an order on the admin listener that does not show RouteDeps::admin_token: 401, or
/// 403 where there is no such token; sets Call::is_operator. The comparison takes the same time
/// wherever two tokens differ.
std::optional<Response> check_operator(Call& call);

/// The 429 of a request whose bucket this process knows to be empty. Takes nothing. It is asked
/// before the body is read, because a user without room must not make this process hold a body.
/// REQUIRES: authenticate(), Call::bucket.
std::optional<Response> refuse_early(Call& call);

/// Takes one request, and `tokens` of the texts in it, from the caller's bucket, and keeps the
/// bucket's figures for whatever answer follows. Returns the answer of a request that is refused:
/// 429. A route calls it once the request is known to be valid, because an invalid one is free.
/// REQUIRES: authenticate(), Call::bucket.
asio::awaitable<std::optional<Response>> charge(Call& call, std::int64_t tokens);

/// Takes one request more and `tokens`, for what a request causes beside its own work. False: the
/// bucket has no room. The answer keeps the figures of charge(). REQUIRES: charge().
asio::awaitable<bool> charge_more(Call& call, std::int64_t tokens);

}  // namespace memseal::http
