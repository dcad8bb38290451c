#pragma once
// Runs coroutines of a test to their end on one loop.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <exception>

namespace memseal::test {

namespace asio = boost::asio;

/// Runs `work` to its end on `loop` and rethrows what it threw; fails the test after `limit`.
inline void run_to_end(asio::io_context& loop, asio::awaitable<void> work,
                       std::chrono::seconds limit = std::chrono::seconds(60)) {
  std::exception_ptr failure;
  bool ended = false;
  asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown) {
    failure = thrown;
    ended = true;
  });
  loop.restart();
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!ended && std::chrono::steady_clock::now() < deadline)
    if (loop.run_one_for(std::chrono::milliseconds(200)) == 0) loop.restart();
  if (ended) loop.poll();
  ASSERT_TRUE(ended) << "the work did not end in time";
  if (failure) std::rethrow_exception(failure);
}

/// Runs `work` to its end on a loop of its own.
inline void run(asio::awaitable<void> work) {
  asio::io_context loop(1);
  run_to_end(loop, std::move(work));
}

}  // namespace memseal::test
