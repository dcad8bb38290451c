#pragma once
// Who may ask, and how often: the bearer token and the caller's bucket.
#include "http/routes/call.hpp"

#include <optional>

namespace memseal::http {

/// Verifies the bearer token and sets Call::who. Returns the answer of a request that is refused:
/// 401. REQUIRES: RouteDeps::api.
std::optional<Response> authenticate(Call& call);

/// Takes a token from the caller's bucket and keeps the bucket's figures for whatever answer
/// follows. Returns the answer of a request that is refused: 429. REQUIRES: authenticate().
asio::awaitable<std::optional<Response>> admit(Call& call);

}  // namespace memseal::http
