#include "cases/ingest/internal/steps.hpp"

#include "runtime/condition.hpp"
#include "runtime/log.hpp"

#include <boost/asio/this_coro.hpp>

namespace memseal::ingest {

namespace {

constexpr int waits_between_log_lines = 10;

}  // namespace

asio::awaitable<void> throw_if_cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  co_await asio::this_coro::throw_if_cancelled(true);
}

Steps::Steps(const WorkerDeps& deps, std::shared_ptr<const Options> options)
    : deps_(deps),
      options_(std::move(options)),
      health_(deps_, options_),
      random_(std::random_device{}()) {}

void Steps::Stall::set(std::optional<Errc> cause) {
  if (cause == cause_) return;
  auto& metrics = steps_.deps_.metrics;
  if (cause_) {
    metrics.stalled_steps(stage_, *cause_).Decrement();
    --steps_.stalled_;
    --steps_.stalled_at_[static_cast<std::size_t>(stage_)];
  }
  if (cause) {
    metrics.stalled_steps(stage_, *cause).Increment();
    ++steps_.stalled_;
    ++steps_.stalled_at_[static_cast<std::size_t>(stage_)];
  }
  cause_ = cause;
  // One gauge for the alert, whatever the stage: several steps may wait at one time, and the last
  // one clears it.
  metrics.stalled.Set(steps_.stalled_ > 0);
}

asio::awaitable<void> Steps::pause(policy::Backoff& backoff) {
  co_await throw_if_cancelled();
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  const auto wait = backoff.next(unit(random_));
  deps_.metrics.retries.Increment();
  co_await runtime::pause_for(wait);
}

asio::awaitable<void> Steps::wait_for_dependency(Trial& trial, Error cause) {
  trial.stall.set(cause.code);
  // An outage of an hour has a line every quarter of a minute, not one for each try.
  if (trial.backoff.failures() % waits_between_log_lines == 0)
    runtime::log(runtime::LogLevel::warn, "ingest.stalled",
                 {{"stage", stage_name(trial.stage)},
                  {"code", errc_name(cause.code)},
                  {"cause", cause.message},
                  {"tries", trial.backoff.failures() + 1}});
  co_await pause(trial.backoff);
}

void Steps::throw_if_out_of_patience(Trial& trial, const Error& cause) {
  if (!errc_row(cause.code).setup()) return;
  const auto now = Clock::now();
  trial.setup_fault_since = std::min(trial.setup_fault_since, now);
  // Of the stage too: with a fault of the set-up each event begins a trial of its own, and none of
  // them would ever wait for long.
  const auto of_stage = faulty_since_.try_emplace(trial.stage, now).first->second;
  if (now - std::min(trial.setup_fault_since, of_stage) >= options_->setup_patience)
    throw_failure(cause);
}

void Steps::succeeded(Trial& trial) {
  faulty_since_.erase(trial.stage);
  if (trial.backoff.failures() == 0) return;
  runtime::log(runtime::LogLevel::info, "ingest.resumed",
               {{"stage", stage_name(trial.stage)}, {"tries", trial.backoff.failures()}});
}

// Returns `error` when the pieces are to blame. Otherwise the step is to be repeated.
asio::awaitable<std::optional<Error>> Steps::blame(Trial& trial, std::size_t pieces, Error error) {
  throw_if_out_of_patience(trial, error);
  const auto suspect = suspect_of(trial.stage, error.code);
  std::optional<Error> not_working = error;
  if (suspect != Suspect::dependency) {
    // Asked now, after the failure: a check from before it says nothing about the moment in which
    // the work failed.
    not_working = co_await health_.failure_of(trial.stage);
    co_await throw_if_cancelled();
  }
  if (not_working) {
    trial.counted = -1;  // The next failure may be the last of this outage.
    throw_if_out_of_patience(trial, *not_working);
    co_await wait_for_dependency(trial, std::move(*not_working));
    co_return std::nullopt;
  }
  trial.setup_fault_since = Clock::time_point::max();
  faulty_since_.erase(trial.stage);
  trial.stall.set(std::nullopt);
  if (++trial.counted >= failures_allowed(pieces, suspect)) co_return error;
  co_await pause(trial.backoff);
  co_return std::nullopt;
}

void Steps::log_halving(Stage stage, std::size_t pieces, const Error& cause) {
  deps_.metrics.isolations.Increment();
  runtime::log(runtime::LogLevel::warn, "ingest.isolating",
               {{"stage", stage_name(stage)},
                {"pieces", pieces},
                {"code", errc_name(cause.code)},
                {"cause", cause.message}});
}

}  // namespace memseal::ingest
