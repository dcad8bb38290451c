#include "adapters/model/schedule/parallel.hpp"
#include "adapters/model/schedule/model_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace memseal::model {
namespace {

TEST(RunInParallel, CallsEachNumberOnce) {
  ModelPool pool(3);
  std::vector<std::atomic<int>> calls(100);
  EXPECT_TRUE(run_in_parallel(pool.tasks(), Urgency::chunks, calls.size(),
                              [&](std::size_t i) { return ++calls[i], true; }));
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_TRUE(run_in_parallel(pool.tasks(), Urgency::chunks, 0, [](std::size_t) { return false; }));
  pool.join();
}

TEST(RunInParallel, EndsOnTheFirstNoAndOnTheFirstThrow) {
  ModelPool pool(2);
  std::atomic<int> calls{0};
  EXPECT_FALSE(run_in_parallel(pool.tasks(), Urgency::chunks, 1'000,
                               [&](std::size_t) { return ++calls < 5; }));
  EXPECT_LT(calls, 20);
  EXPECT_THROW(run_in_parallel(pool.tasks(), Urgency::chunks, 10,
                               [](std::size_t i) -> bool {
                                 if (i == 3) throw std::runtime_error("three");
                                 return true;
                               }),
               std::runtime_error);
  pool.join();
}

}  // namespace
}  // namespace memseal::model
