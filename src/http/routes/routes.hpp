#pragma once
// Which handler answers which path, and what comes before it: token, limiter, body.
#include "http/server/session.hpp"

#include <optional>

namespace memseal::http {

/// What became of one request.
struct Outcome {
  std::optional<Response> response = {};  ///< empty: a stream answered it, or nobody is left
  int status = 200;                       ///< for metrics and log; 499: the client went away
};

/// Answers one request. The only place that catches what the work on a request throws.
asio::awaitable<Outcome> handle(Exchange& exchange);

}  // namespace memseal::http
