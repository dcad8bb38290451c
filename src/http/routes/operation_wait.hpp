#pragma once
#include "http/routes/call.hpp"
#include "ports/operations.hpp"

#include <chrono>

namespace memseal::http {

/// Waits until `operation` has ended, `time` at most, or this server is asked to stop; a route with
/// less time left waits less. Holds no connection of the database between two looks.
asio::awaitable<void> wait_for_end(Call& call, ports::Operation& operation,
                                   std::chrono::seconds time);

}  // namespace memseal::http
