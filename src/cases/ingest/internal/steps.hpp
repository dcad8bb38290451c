#pragma once
// Repeats the steps of ingest while they fail, and finds out who is to blame.
#include "cases/ingest/internal/blame.hpp"
#include "cases/ingest/internal/health.hpp"
#include "pure/policy/backoff.hpp"
#include "runtime/observe.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace memseal::ingest {

/// Throws operation_aborted when the calling coroutine is cancelled. Needed after joining a group
/// of tasks, which leaves the coroutine unable to notice by itself.
asio::awaitable<void> throw_if_cancelled();

/// Thread: the source's executor.
class Steps {
 public:
  Steps(const WorkerDeps& deps, std::shared_ptr<const Options> options);

  /// Repeats `step()` while its dependency is at fault. Throws what is refused for good, for a step
  /// that blames no event.
  template <class Step>
  asio::awaitable<void> until_done(Stage stage, Step step);

  /// Repeats `step()` while its dependency is at fault. Returns why the step's pieces are to blame,
  /// and nothing when the step is done.
  template <class Step>
  asio::awaitable<std::optional<Error>> until_blamed(Stage stage, Step step);

  /// Runs `step(first, count)` over `total` pieces of work in their order, at most `most` at a
  /// time. Where a step fails and the pieces are to blame, each half is run alone; what is done
  /// stays done. Calls `give_up(piece, error)` for a piece that fails alone
  /// limits::event_attempts_max times. `failed_before`: why all pieces together are to blame, as
  /// until_blamed() says.
  template <class Step, class GiveUp>
  asio::awaitable<void> over(Stage stage, std::size_t total, std::size_t most, Step step,
                             GiveUp give_up, std::optional<Error> failed_before = {});

  /// Whether a step of `stage` waits for its dependency.
  bool waits(Stage stage) const noexcept {
    return stalled_at_[static_cast<std::size_t>(stage)] > 0;
  }

  /// Why the dependency of `stage` does not work now; nothing when it does.
  asio::awaitable<std::optional<Error>> failure_of(Stage stage) {
    return health_.failure_of(stage);
  }

  /// A pause before a step is repeated.
  asio::awaitable<void> pause(policy::Backoff& backoff);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t several_pieces = 2;  // as many as need no further tries together

  /// One step that does not go on yet, as the metrics show it.
  class Stall {
   public:
    Stall(Steps& steps, Stage stage) : steps_(steps), stage_(stage) {}
    ~Stall() { set(std::nullopt); }
    Stall(const Stall&) = delete;
    Stall& operator=(const Stall&) = delete;
    void set(std::optional<Errc> cause);

   private:
    Steps& steps_;
    Stage stage_;
    std::optional<Errc> cause_;
  };

  /// What is known of a step that is being repeated.
  struct Trial {
    Trial(Steps& steps, Stage which)
        : stage(which),
          backoff(steps.options_->backoff_first, steps.options_->backoff_max),
          stall(steps, which) {}
    Stage stage;
    policy::Backoff backoff;
    Stall stall;
    Clock::time_point setup_fault_since = Clock::time_point::max();
    int counted = 0;  ///< failures in a row while the dependency worked
  };

  template <class Step>
  asio::awaitable<std::exception_ptr> try_once(Trial& trial, Step& step);
  asio::awaitable<void> wait_for_dependency(Trial& trial, Error cause);
  void throw_if_out_of_patience(Trial& trial, const Error& cause);
  void succeeded(Trial& trial);
  asio::awaitable<std::optional<Error>> blame(Trial& trial, std::size_t pieces, Error error);
  void log_halving(Stage stage, std::size_t pieces, const Error& cause);

  const WorkerDeps& deps_;
  std::shared_ptr<const Options> options_;
  HealthCheck health_;
  std::minstd_rand random_;
  std::size_t stalled_ = 0;                       ///< steps that wait, of all stages
  std::array<std::size_t, stages> stalled_at_{};  ///< of each stage
  /// Since when each stage meets a fault of the set-up. Common to all steps of the stage, because a
  /// batch of many tenants meets one fault many times, and is to wait for it once.
  std::map<Stage, Clock::time_point> faulty_since_;
};

/// Runs `step` once. Returns its failure.
template <class Step>
asio::awaitable<std::exception_ptr> Steps::try_once(Trial& trial, Step& step) {
  std::exception_ptr failure;
  const auto start = Clock::now();
  try {
    co_await step();
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) co_await throw_if_cancelled();
  runtime::observe_since(deps_.metrics.stage(trial.stage, !failure), start);
  if (!failure) succeeded(trial);
  co_return failure;
}

template <class Step>
asio::awaitable<void> Steps::until_done(Stage stage, Step step) {
  Trial trial(*this, stage);
  for (;;) {
    const auto failure = co_await try_once(trial, step);
    if (!failure) co_return;
    const auto error = error_of(failure);
    if (errc_row(error.code).remedy == Remedy::none) std::rethrow_exception(failure);
    throw_if_out_of_patience(trial, error);
    co_await wait_for_dependency(trial, error);
  }
}

template <class Step>
asio::awaitable<std::optional<Error>> Steps::until_blamed(Stage stage, Step step) {
  Trial trial(*this, stage);
  std::optional<Error> blamed;
  while (!blamed) {
    const auto failure = co_await try_once(trial, step);
    if (!failure) break;
    auto error = error_of(failure);
    blamed = co_await blame(trial, several_pieces, std::move(error));
  }
  co_return blamed;
}

template <class Step, class GiveUp>
asio::awaitable<void> Steps::over(Stage stage, std::size_t total, std::size_t most, Step step,
                                  GiveUp give_up, std::optional<Error> failed_before) {
  struct Range {
    std::size_t first, count;
  };
  std::vector<Range> todo;  // the first one last
  for (std::size_t first = 0; first < total; first += most)
    todo.push_back({first, std::min(most, total - first)});
  std::reverse(todo.begin(), todo.end());
  bool halved = false;
  while (!todo.empty()) {
    const auto [first, count] = todo.back();
    todo.pop_back();
    const auto again = [&step, at = first, pieces = count] { return step(at, pieces); };
    Trial trial(*this, stage);
    auto blamed = std::exchange(failed_before, std::nullopt);
    if (blamed && count == 1) {
      trial.counted = failures_allowed(several_pieces, suspect_of(stage, blamed->code));
      blamed.reset();
      co_await pause(trial.backoff);
    }
    while (!blamed) {
      const auto failure = co_await try_once(trial, again);
      if (!failure) break;
      auto error = error_of(failure);
      blamed = co_await blame(trial, count, std::move(error));
    }
    if (!blamed) continue;
    if (count == 1) {
      give_up(first, *blamed);
      continue;
    }
    if (!std::exchange(halved, true)) log_halving(stage, count, *blamed);
    todo.push_back({first + count / 2, count - count / 2});
    todo.push_back({first, count / 2});
  }
}

}  // namespace memseal::ingest
