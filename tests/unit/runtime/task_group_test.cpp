#include "runtime/task_group.hpp"

#include "support/run_loop.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <chrono>
#include <stdexcept>

namespace memseal::runtime {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using Clock = std::chrono::steady_clock;
using test::run;

asio::awaitable<void> count_after(std::chrono::milliseconds time, int& ended) {
  co_await pause_for(time);
  ++ended;
}

asio::awaitable<void> count_when_cancelled(int& cancelled) {
  try {
    co_await pause_for(10s);
  } catch (const boost::system::system_error&) {
    ++cancelled;
    throw;
  }
}

asio::awaitable<void> fail_after(std::chrono::milliseconds time, const char* what) {
  co_await pause_for(time);
  throw std::runtime_error(what);
}

asio::awaitable<void> fail_at_once() {
  throw std::runtime_error("at once");
  co_return;
}

asio::awaitable<void> waits_for_all() {
  TaskGroup group(co_await asio::this_coro::executor);
  int ended = 0;
  for (int i = 0; i < 10; ++i) group.spawn(count_after(std::chrono::milliseconds(i), ended));
  EXPECT_EQ(group.size(), 10u);
  co_await group.join();
  EXPECT_EQ(ended, 10);
  EXPECT_EQ(group.size(), 0u);
}

TEST(TaskGroup, WaitsForAllItsChildren) { run(waits_for_all()); }

asio::awaitable<void> joins_an_empty_group() {
  TaskGroup group(co_await asio::this_coro::executor);
  co_await group.join();
  co_await group.join();
}

TEST(TaskGroup, JoinsAtOnceWhenItHasNone) { run(joins_an_empty_group()); }

asio::awaitable<void> first_failure(int& cancelled) {
  TaskGroup group(co_await asio::this_coro::executor);
  for (int i = 0; i < 3; ++i) group.spawn(count_when_cancelled(cancelled));
  group.spawn(fail_after(5ms, "the first"));
  group.spawn(fail_after(500ms, "the second"));
  co_await group.join();
}

TEST(TaskGroup, TheFirstFailureCancelsTheOthersAndComesOutOfJoin) {
  int cancelled = 0;
  const auto started = Clock::now();
  try {
    run(first_failure(cancelled));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "the first");
  }
  EXPECT_EQ(cancelled, 3);
  EXPECT_LT(Clock::now() - started, 400ms);
}

asio::awaitable<void> failure_without_suspending() {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(fail_at_once());
  co_await group.join();
}

TEST(TaskGroup, AChildMayFailBeforeItEverSuspends) {
  EXPECT_THROW(run(failure_without_suspending()), std::runtime_error);
}

asio::awaitable<void> cancel_it(TaskGroup& group) {
  group.cancel();
  co_return;
}

asio::awaitable<void> cancelled_by_a_child(int& cancelled) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(count_when_cancelled(cancelled));
  group.spawn(cancel_it(group));
  co_await group.join();
}

TEST(TaskGroup, AChildMayCancelItAndThatIsNoFailure) {
  int cancelled = 0;
  run(cancelled_by_a_child(cancelled));
  EXPECT_EQ(cancelled, 1);
}

asio::awaitable<void> spawned_after_cancel(int& ended) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.cancel();
  group.cancel();
  group.spawn(count_after(10'000ms, ended));
  co_await group.join();
}

TEST(TaskGroup, AChildOfACancelledGroupEndsAtOnce) {
  int ended = 0;
  const auto started = Clock::now();
  run(spawned_after_cancel(ended));
  EXPECT_EQ(ended, 0);
  EXPECT_LT(Clock::now() - started, 1s);
}

asio::awaitable<void> cancelled_after_its_end() {
  {
    TaskGroup group(co_await asio::this_coro::executor);
    int ended = 0;
    group.spawn(count_after(1ms, ended));
    co_await group.join();
    group.cancel();
  }
  co_await pause_for(5ms);  // the posted cancellation runs when the group is gone
}

TEST(TaskGroup, ALateCancelTouchesNothing) { run(cancelled_after_its_end()); }

asio::awaitable<void> parent(int& cancelled) {
  TaskGroup group(co_await asio::this_coro::executor);
  for (int i = 0; i < 2; ++i) group.spawn(count_when_cancelled(cancelled));
  co_await group.join();
}

asio::awaitable<void> cancelled_parent(int& cancelled) {
  co_await (parent(cancelled) || pause_for(20ms));
  EXPECT_EQ(cancelled, 2) << "the parent returned before its children";
}

TEST(TaskGroup, ACancelledParentCancelsItsChildrenAndWaitsForThem) {
  int cancelled = 0;
  const auto started = Clock::now();
  run(cancelled_parent(cancelled));
  EXPECT_LT(Clock::now() - started, 1s);
}

asio::awaitable<void> stubborn(bool& cleaned) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await pause_for(5ms);
  boost::system::error_code ignored;
  asio::steady_timer timer(co_await asio::this_coro::executor, 20ms);
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  cleaned = true;
}

asio::awaitable<void> waits_for_clean_up(bool& cleaned) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(stubborn(cleaned));
  co_await pause_for(10ms);
  group.cancel();
  co_await group.join();
  EXPECT_TRUE(cleaned);
}

TEST(TaskGroup, WaitsForAChildThatCleansUpAfterItWasCancelled) {
  bool cleaned = false;
  run(waits_for_clean_up(cleaned));
}

asio::awaitable<void> leave_unjoined() {
  TaskGroup group(co_await asio::this_coro::executor);
  int ended = 0;
  group.spawn(count_after(1ms, ended));
}

TEST(TaskGroupDeath, EndsTheProcessWhenItIsDestroyedUnjoined) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run(leave_unjoined()), "assertion failed");
}

}  // namespace
}  // namespace memseal::runtime
