#pragma once
// Runs one coroutine of a Redis test to its end.
#include "integration/redis/server.hpp"

#include "adapters/redis/link.hpp"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#define NEED_REDIS_SERVER()                            \
  if (!::memseal::redis::testing::have_redis_server()) \
  GTEST_SKIP() << "no redis-server in PATH: run scripts/deps, or apt-get install redis-server"

namespace memseal::redis::testing {

/// Runs `test` on a loop of its own, for at most a minute; its exceptions fail the test.
inline void run(asio::awaitable<void> test) {
  asio::io_context loop(1);
  bool ended = false;
  asio::co_spawn(loop, std::move(test), [&](std::exception_ptr failure) {
    ended = true;
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  });
  loop.run_for(std::chrono::minutes(1));
  EXPECT_TRUE(ended) << "hangs";
  EXPECT_TRUE(loop.stopped()) << "leaves work behind";
}

template <class... Word>
std::vector<std::string> words(Word&&... word) {
  std::vector<std::string> list;
  (list.emplace_back(std::forward<Word>(word)), ...);
  return list;
}

}  // namespace memseal::redis::testing
