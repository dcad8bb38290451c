#include "adapters/model/schedule/parallel.hpp"
#include "adapters/model/schedule/model_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <future>
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

// All threads compute chunks when the question comes; the others wait for its answer.
TEST(RunInParallel, LeavesAThreadToAQuestion) {
  asio::thread_pool threads(4);
  PriorityPool pool(threads, std::chrono::hours(1));
  std::barrier<> together(4);
  std::promise<void> answer;
  const auto answered = answer.get_future().share();
  std::atomic<int> calls{0};
  const auto work = [&](std::size_t i) {
    ++calls;
    if (i >= 4) return answered.wait_for(std::chrono::minutes(1)) == std::future_status::ready;
    together.arrive_and_wait();
    if (i == 0) pool.post(Urgency::question, [&] { answer.set_value(); });
    together.arrive_and_wait();
    return true;
  };
  std::promise<bool> done;
  pool.post(Urgency::chunks,
            [&] { done.set_value(run_in_parallel(pool, Urgency::chunks, 8, work)); });
  EXPECT_TRUE(done.get_future().get());
  EXPECT_EQ(calls, 8);
  threads.join();
}

}  // namespace
}  // namespace memseal::model
