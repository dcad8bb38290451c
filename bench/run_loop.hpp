#pragma once
// Runs one coroutine on a loop of the calling thread.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <utility>

namespace memseal::bench {

/// Until `work` and all that it left on the loop have ended. Throws what `work` throws.
inline void run_to_end(boost::asio::io_context& loop, boost::asio::awaitable<void> work) {
  std::exception_ptr failure;
  boost::asio::co_spawn(loop, std::move(work),
                        [&failure](std::exception_ptr thrown) { failure = std::move(thrown); });
  loop.restart();
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace memseal::bench
