#pragma once
// Who may ask, and how often: the bearer token and the caller's bucket.
#include "http/routes/call.hpp"

#include <optional>

namespace memseal::http {

/// Verifies the token and sets Call::who, then takes a token from the caller's bucket and keeps the
/// bucket's figures for whatever answer follows. Returns the answer of a request that is refused:
/// 401 or 429. REQUIRES: RouteDeps::api.
asio::awaitable<std::optional<Response>> admit(Call& call);

}  // namespace memseal::http
