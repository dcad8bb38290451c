#include "runtime/offload.hpp"

#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace memseal::runtime {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using test::run_to_end;
using Clock = std::chrono::steady_clock;

asio::awaitable<void> value_and_thread(asio::thread_pool& pool) {
  const auto loop_thread = std::this_thread::get_id();
  const auto pool_thread =
      co_await offload(pool, [](std::stop_token) { return std::this_thread::get_id(); });
  EXPECT_NE(pool_thread, loop_thread);
  EXPECT_EQ(std::this_thread::get_id(), loop_thread) << "the caller goes on where it was";
  const auto word = co_await offload(pool, [](std::stop_token) { return std::string("done"); });
  EXPECT_EQ(word, "done");
}

TEST(Offload, ReturnsTheValueToTheCallersThread) {
  asio::thread_pool pool(2);
  asio::io_context loop(1);
  run_to_end(loop, value_and_thread(pool));
  pool.join();
}

asio::awaitable<void> failing(asio::thread_pool& pool) {
  co_await offload(pool, [](std::stop_token) -> int { throw std::runtime_error("no"); });
}

TEST(Offload, RethrowsWhatTheWorkThrew) {
  asio::thread_pool pool(1);
  asio::io_context loop(1);
  EXPECT_THROW(run_to_end(loop, failing(pool)), std::runtime_error);
  pool.join();
}

struct Flags {
  std::atomic<bool> began{false}, asked_to_stop{false}, ended{false};
};

/// Works until it is asked to stop, at most two seconds.
int work_until_stopped(const std::stop_token& stop, Flags& flags) {
  flags.began = true;
  for (int i = 0; i < 2'000 && !stop.stop_requested(); ++i) std::this_thread::sleep_for(1ms);
  flags.asked_to_stop = stop.stop_requested();
  flags.ended = true;
  return 1;
}

asio::awaitable<void> leave_early(asio::thread_pool& pool, std::shared_ptr<Flags> flags) {
  const auto started = Clock::now();
  auto work =
      offload(pool, [flags](std::stop_token stop) { return work_until_stopped(stop, *flags); });
  const auto first = co_await (std::move(work) || pause_for(30ms));
  EXPECT_EQ(first.index(), 1u);
  EXPECT_LT(Clock::now() - started, 1s);
}

TEST(Offload, ACancelledWaitLeavesAtOnceAndTellsTheWork) {
  asio::thread_pool pool(1);
  asio::io_context loop(1);
  const auto flags = std::make_shared<Flags>();
  run_to_end(loop, leave_early(pool, flags));
  pool.join();
  EXPECT_TRUE(flags->began);
  EXPECT_TRUE(flags->asked_to_stop);
}

asio::awaitable<void> blind_work(asio::thread_pool& pool, std::shared_ptr<Flags> flags) {
  auto work = offload(pool, [flags](std::stop_token) {
    flags->began = true;
    std::this_thread::sleep_for(100ms);
    flags->ended = true;
    return std::string(1'000, 'x');
  });
  const auto started = Clock::now();
  (void)co_await (std::move(work) || pause_for(10ms));
  EXPECT_LT(Clock::now() - started, 90ms);
}

TEST(Offload, AbandonedWorkEndsOnItsOwn) {
  asio::thread_pool pool(1);
  const auto flags = std::make_shared<Flags>();
  {
    asio::io_context loop(1);
    run_to_end(loop, blind_work(pool, flags));
  }  // the loop is gone before the work ends
  pool.join();
  EXPECT_TRUE(flags->ended);
}

asio::awaitable<void> storm(asio::thread_pool& pool, int& by_work) {
  for (int i = 0; i < 2'000; ++i) {
    auto work = offload(pool, [](std::stop_token) { return 1; });
    const auto first = co_await (std::move(work) || asio::post(asio::use_awaitable));
    by_work += first.index() == 0;
  }
}

TEST(Offload, ResumesOnceHoweverWorkAndCancellationRace) {
  asio::thread_pool pool(2);
  asio::io_context loop(1);
  int by_work = 0;
  run_to_end(loop, storm(pool, by_work));
  pool.join();
  EXPECT_LE(by_work, 2'000);
}

asio::awaitable<void> one_of_many(asio::thread_pool& pool, int index, long& sum) {
  auto work = [index](std::stop_token) { return index; };
  sum += co_await offload(pool, std::move(work));
}

asio::awaitable<void> many(asio::thread_pool& pool, long& sum) {
  TaskGroup group(co_await asio::this_coro::executor);
  for (int i = 1; i <= 1'000; ++i) group.spawn(one_of_many(pool, i, sum));
  co_await group.join();
}

TEST(Offload, ServesManyCallersOfOneLoop) {
  asio::thread_pool pool(2);
  asio::io_context loop(1);
  long sum = 0;  // no lock: all callers resume on the loop
  run_to_end(loop, many(pool, sum));
  pool.join();
  EXPECT_EQ(sum, 500'500);
}

asio::awaitable<void> slow_then_set(asio::thread_pool& pool, bool& reached) {
  (void)co_await offload(pool, [](std::stop_token) {
    std::this_thread::sleep_for(50ms);
    return 0;
  });
  reached = true;
}

TEST(Offload, KeepsTheLoopRunningUntilTheCallerIsResumed) {
  asio::thread_pool pool(1);
  asio::io_context loop(1);
  bool reached = false;
  asio::co_spawn(loop, slow_then_set(pool, reached), [](std::exception_ptr) {});
  loop.run();
  EXPECT_TRUE(reached);
  pool.join();
}

using Finish = std::function<void(std::exception_ptr, int)>;

asio::awaitable<void> called_back(asio::io_context& loop, std::vector<std::jthread>& others) {
  auto start = [&](std::stop_token, auto finish) {
    others.emplace_back([finish] {
      std::this_thread::sleep_for(20ms);
      finish(nullptr, 7);
      finish(nullptr, 8);  // too late
    });
  };
  const auto mine = std::this_thread::get_id();
  const auto value = co_await await_callback<int>(loop.get_executor(), std::move(start));
  EXPECT_EQ(value, 7);
  EXPECT_EQ(std::this_thread::get_id(), mine);
}

TEST(AwaitCallback, ResumesTheCallerOnItsOwnThreadWithTheFirstAnswer) {
  asio::io_context loop(1);
  std::vector<std::jthread> others;
  run_to_end(loop, called_back(loop, others));
}

using Stopped = std::stop_callback<std::function<void()>>;

// As a pool thread that sees the stop at once, and brings what it has so far.
asio::awaitable<void> answered_by_the_stop(asio::io_context& loop, std::optional<Stopped>& stopped,
                                           std::string& outcome) {
  auto start = [&](std::stop_token stop, auto finish) {
    stopped.emplace(stop, [finish] { finish(nullptr, 7); });
  };
  auto wait = [&]() -> asio::awaitable<void> {
    try {
      const auto value = co_await await_callback<int>(loop.get_executor(), std::move(start));
      outcome = std::to_string(value);
    } catch (const boost::system::system_error& failed) {
      outcome = failed.code() == asio::error::operation_aborted ? "aborted" : failed.what();
    }
  };
  co_await (wait() || pause_for(10ms));
}

TEST(AwaitCallback, ACancelledWaitNeverHasWhatStoppedWorkBrings) {
  asio::io_context loop(1);
  std::optional<Stopped> stopped;
  std::string outcome;
  run_to_end(loop, answered_by_the_stop(loop, stopped, outcome));
  EXPECT_EQ(outcome, "aborted");
}

asio::awaitable<void> gone_before_the_call(asio::io_context& loop, Finish& kept,
                                           std::stop_token& asked) {
  auto start = [&](std::stop_token stop, auto finish) {
    kept = finish;
    asked = stop;
  };
  auto wait = [&]() -> asio::awaitable<int> {
    co_return co_await await_callback<int>(loop.get_executor(), std::move(start));
  };
  const auto first = co_await (wait() || pause_for(10ms));
  EXPECT_EQ(first.index(), 1u);
}

TEST(AwaitCallback, MayBeAnsweredWhenTheCallerAndItsLoopAreGone) {
  Finish kept;
  std::stop_token asked;
  {
    asio::io_context loop(1);
    run_to_end(loop, gone_before_the_call(loop, kept, asked));
  }
  EXPECT_TRUE(asked.stop_requested());
  kept(nullptr, 1);
}

}  // namespace
}  // namespace memseal::runtime
