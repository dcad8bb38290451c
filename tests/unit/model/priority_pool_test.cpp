#include "adapters/model/schedule/model_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace memseal::model {
namespace {

TEST(PriorityPool, ARunningBatchStepsAsideForAQuestion) {
  ModelPool pool(1);
  std::vector<std::string> order;
  std::promise<void> started, queued;
  pool.tasks().post(Urgency::chunks, [&] {
    started.set_value();
    queued.get_future().wait();
    order.push_back("first half");
    pool.tasks().yield_to_more_urgent_than(Urgency::chunks);
    order.push_back("second half");
  });
  started.get_future().wait();
  pool.tasks().post(Urgency::chunks, [&] { order.push_back("other chunks"); });
  pool.tasks().post(Urgency::rerank, [&] { order.push_back("rerank"); });
  pool.tasks().post(Urgency::question, [&] { order.push_back("question"); });
  queued.set_value();
  pool.join();
  EXPECT_EQ(order, (std::vector<std::string>{"first half", "question", "rerank", "second half",
                                             "other chunks"}));
}

TEST(PriorityPool, EveryTaskRunsOnce) {
  std::atomic<int> runs{0};
  ModelPool pool(3);
  for (int i = 0; i < 3'000; ++i)
    pool.tasks().post(static_cast<Urgency>(i % 3), [&] {
      ++runs;
      pool.tasks().yield_to_more_urgent_than(Urgency::chunks);
    });
  pool.join();
  EXPECT_EQ(runs, 3'000);
}

TEST(ModelPool, EndsAfterItsRunningTaskAndKeepsNoWaitingOne) {
  std::promise<void> started;
  std::atomic<bool> ended{false};
  const auto waiting = std::make_shared<int>();
  {
    ModelPool pool(1);
    pool.tasks().post(Urgency::chunks, [&] {
      started.set_value();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ended = true;
    });
    started.get_future().wait();
    pool.tasks().post(Urgency::question, [waiting] {});
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(waiting.use_count(), 1);
}

}  // namespace
}  // namespace memseal::model
