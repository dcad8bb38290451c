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

TEST(PriorityPool, ChunksLeaveAThreadToQuestionsWhileTheyCome) {
  asio::thread_pool threads(4);
  PriorityPool pool(threads, std::chrono::hours(1));
  EXPECT_EQ(pool.chunk_threads(), 4u) << "no question came yet";
  const auto ask = [&] {
    const auto answered = std::make_shared<std::promise<void>>();
    pool.post(Urgency::question, [answered] { answered->set_value(); });
    return answered->get_future().wait_for(std::chrono::minutes(1)) == std::future_status::ready;
  };
  ASSERT_TRUE(ask());
  std::atomic<int> started{0}, ended{0};
  std::promise<void> three, release;
  const auto released = release.get_future().share();
  for (int i = 0; i < 6; ++i)
    pool.post(Urgency::chunks, [&] {
      if (++started == 3) three.set_value();
      released.wait();
      ++ended;
    });
  three.get_future().wait();
  EXPECT_TRUE(ask()) << "while three threads compute chunks and more wait";
  EXPECT_EQ(started, 3);
  release.set_value();
  threads.join();
  EXPECT_EQ(ended, 6);
}

TEST(PriorityPool, FewThreadsAreAllForChunks) {
  for (const std::size_t count : {1u, 3u}) {
    asio::thread_pool threads(count);
    PriorityPool pool(threads, std::chrono::hours(1));
    pool.post(Urgency::question, [] {});
    EXPECT_EQ(pool.chunk_threads(), count);
    threads.join();
  }
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
