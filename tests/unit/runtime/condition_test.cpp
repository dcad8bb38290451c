#include "runtime/condition.hpp"

#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <chrono>
#include <deque>

namespace memseal::runtime {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using Clock = std::chrono::steady_clock;
using test::run;

asio::awaitable<void> wait_for(Condition& condition, const bool& open, int& through) {
  while (!open) co_await condition.wait();
  ++through;
}

asio::awaitable<void> wakes_all() {
  const auto executor = co_await asio::this_coro::executor;
  Condition condition(executor);
  TaskGroup group(executor);
  bool open = false;
  int through = 0;
  for (int i = 0; i < 5; ++i) group.spawn(wait_for(condition, open, through));
  co_await pause_for(5ms);
  condition.notify_all();  // spurious for them: they look and wait again
  co_await pause_for(5ms);
  EXPECT_EQ(through, 0);
  open = true;
  condition.notify_all();
  co_await group.join();
  EXPECT_EQ(through, 5);
}

TEST(Condition, WakesEveryWaiter) { run(wakes_all()); }

asio::awaitable<void> wait_once(Condition& condition, bool& thrown) {
  try {
    co_await condition.wait();
  } catch (const boost::system::system_error& error) {
    thrown = error.code() == asio::error::operation_aborted;
    throw;
  }
}

asio::awaitable<void> cancelled_wait() {
  Condition condition(co_await asio::this_coro::executor);
  bool thrown = false;
  co_await (wait_once(condition, thrown) || pause_for(5ms));
  EXPECT_TRUE(thrown);
}

TEST(Condition, ThrowsWhenItsWaiterIsCancelled) { run(cancelled_wait()); }

asio::awaitable<void> wait_uncancelled(Condition& condition, bool& returned) {
  co_await condition.wait_uncancelled();
  returned = true;
}

asio::awaitable<void> cancelled_quiet_wait() {
  Condition condition(co_await asio::this_coro::executor);
  bool returned = false;
  co_await (wait_uncancelled(condition, returned) || pause_for(5ms));
  EXPECT_TRUE(returned);
}

TEST(Condition, TheUncancelledWaitReturnsInstead) { run(cancelled_quiet_wait()); }

asio::awaitable<void> notified_before() {
  Condition condition(co_await asio::this_coro::executor);
  condition.notify_all();
  const auto started = Clock::now();
  co_await (condition.wait() || pause_for(20ms));
  EXPECT_GE(Clock::now() - started, 20ms);
}

TEST(Condition, RemembersNoNotification) { run(notified_before()); }

/// A queue of two as one would build it.
struct Queue {
  explicit Queue(const asio::any_io_executor& executor) : changed(executor) {}

  asio::awaitable<void> push(int item) {
    while (items.size() >= 2) co_await changed.wait();
    items.push_back(item);
    changed.notify_all();
  }
  asio::awaitable<int> pop() {
    while (items.empty()) co_await changed.wait();
    const int item = items.front();
    items.pop_front();
    changed.notify_all();
    co_return item;
  }

  std::deque<int> items;
  Condition changed;
};

asio::awaitable<void> push_all(Queue& queue, int count) {
  for (int i = 1; i <= count; ++i) co_await queue.push(i);
}

asio::awaitable<void> pop_all(Queue& queue, int count, long& sum) {
  for (int i = 0; i < count; ++i) sum += co_await queue.pop();
}

asio::awaitable<void> carries_a_queue() {
  const auto executor = co_await asio::this_coro::executor;
  Queue queue(executor);
  const auto first = co_await (queue.pop() || pause_for(5ms));
  EXPECT_EQ(first.index(), 1u) << "and a wait that was given up leaves no trace";
  TaskGroup group(executor);
  long sum = 0;
  group.spawn(push_all(queue, 999));
  for (int i = 0; i < 3; ++i) group.spawn(pop_all(queue, 333, sum));
  co_await group.join();
  EXPECT_EQ(sum, 499'500);
}

TEST(Condition, CarriesABoundedQueue) { run(carries_a_queue()); }

asio::awaitable<void> pause_cancelled(bool& thrown) {
  try {
    co_await pause_for(10s);
  } catch (const boost::system::system_error& error) {
    thrown = error.code() == asio::error::operation_aborted;
    throw;
  }
}

asio::awaitable<void> pauses() {
  const auto started = Clock::now();
  co_await pause_for(20ms);
  EXPECT_GE(Clock::now() - started, 20ms);
  bool thrown = false;
  co_await (pause_cancelled(thrown) || pause_for(1ms));
  EXPECT_TRUE(thrown);
  EXPECT_LT(Clock::now() - started, 5s);
}

TEST(PauseFor, TakesItsTimeUnlessItIsCancelled) { run(pauses()); }

}  // namespace
}  // namespace memseal::runtime
