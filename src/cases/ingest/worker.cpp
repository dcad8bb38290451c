#include "cases/ingest/internal/worker_impl.hpp"

#include "cases/ingest/internal/status.hpp"
#include "runtime/condition.hpp"
#include "runtime/log.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>

namespace memseal::ingest {

namespace {

constexpr int waits_between_log_lines = 10;

constexpr std::string_view stage_name(Stage stage) {
  constexpr std::string_view names[] = {"prepare", "embed", "seal", "store", "dead_letter"};
  return names[static_cast<std::size_t>(stage)];
}

/// The sentence of a failure that no Error describes; what() may quote content.
Error error_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& failed) {
    return failed.error();
  } catch (...) {
    return {Errc::internal, "the event cannot be processed"};
  }
}

/// Ends the worker for a set-up fault that outlasted Options::setup_patience: no event is to blame,
/// and nothing but an operator helps. The batch stays undone, so Kafka delivers it again after the
/// fault is fixed.
void stop_on_setup_fault(const std::exception_ptr& failure) {
  const auto error = error_of(failure);
  if (!errc_row(error.code).setup()) return;
  runtime::log(runtime::LogLevel::error, "ingest.stopped",
               {{"code", errc_name(error.code)}, {"cause", error.message}});
  std::rethrow_exception(failure);
}

}  // namespace

Worker::Impl::Impl(WorkerDeps deps, Options options)
    : deps_(deps),
      options_(std::make_shared<const Options>(std::move(options))),
      random_(std::random_device{}()) {}

PrepareDeps Worker::Impl::prepare_deps() const {
  return {deps_.tokenizer, deps_.keyer, deps_.ids, deps_.tokens, options_};
}

runtime::RequestContext Worker::Impl::context(std::chrono::milliseconds budget) const {
  return {"ingest-" + std::to_string(batches_), runtime::Deadline::after(budget)};
}

asio::awaitable<void> Worker::Impl::run() {
  for (;;) {
    auto taken = co_await deps_.source.next();
    if (taken.records.empty()) co_return;
    ++batches_;
    const auto batch = std::make_shared<const ports::Batch>(std::move(taken));
    co_await process_batch(batch);
    deps_.source.done(*batch);
  }
}

asio::awaitable<void> Worker::Impl::process_batch(BatchPtr batch) {
  std::vector<Job> jobs(batch->records.size());
  Jobs all;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].record = &batch->records[i];
    jobs[i].taken = Clock::now();
    all.push_back(&jobs[i]);
  }
  std::exception_ptr failure;
  try {
    co_await process(batch, all);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await throw_if_cancelled();
  if (failure) {
    stop_on_setup_fault(failure);
    // One of them fails, whatever is tried with it: find out which, so that it harms no other.
    deps_.metrics.isolations.Increment();
    runtime::log(runtime::LogLevel::warn, "ingest.retrying_one_by_one",
                 {{"records", jobs.size()}, {"code", errc_name(error_of(failure).code)}});
    for (auto& job : jobs)
      if (!job.outcome) co_await retry_one_by_one(batch, job);
  }
  if (options_->status_events) co_await publish_statuses(jobs);
}

asio::awaitable<void> Worker::Impl::process(BatchPtr batch, Jobs jobs) {
  co_await prepare_all(batch, jobs);
  Jobs sound, faulty;
  for (auto* job : jobs) (job->prepared->document ? sound : faulty).push_back(job);
  if (!sound.empty()) {
    co_await embed_all(sound);
    co_await store_all(sound);
  }
  for (auto* job : faulty) co_await dead_letter(*job, *job->prepared->fault, "read", 1);
}

asio::awaitable<void> Worker::Impl::retry_one_by_one(BatchPtr batch, Job& job) {
  policy::Backoff backoff(options_->backoff_first, options_->backoff_max);
  std::exception_ptr failure;
  for (int tried = 0; tried < limits::event_attempts_max; ++tried) {
    failure = nullptr;
    try {
      Jobs alone(1, &job);
      co_await process(batch, std::move(alone));
    } catch (...) {
      failure = std::current_exception();
    }
    co_await throw_if_cancelled();
    if (!failure) co_return;
    stop_on_setup_fault(failure);
    std::uniform_real_distribution<double> unit(0.0, 1.0);
    co_await runtime::pause_for(backoff.next(unit(random_)));
  }
  co_await dead_letter(job, error_of(failure), "process", limits::event_attempts_max);
}

void Worker::Impl::settled(Job& job, Outcome outcome) {
  job.outcome = outcome;
  const auto origin = job.prepared ? job.prepared->origin : std::nullopt;
  deps_.metrics.events(origin, outcome).Increment();
  if (outcome != Outcome::ingested) return;
  deps_.metrics.chunks.Increment(static_cast<double>(job.prepared->document->chunks.size()));
  if (const auto since = job.record->timestamp_ms; since > 0)
    deps_.metrics.end_to_end_s.Observe(
        static_cast<double>(std::max<std::int64_t>(0, deps_.now_ms() - since)) / 1e3);
}

asio::awaitable<void> Worker::Impl::pause_after(Stage stage, const Error& why,
                                                policy::Backoff& backoff) {
  co_await throw_if_cancelled();
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  const auto wait = backoff.next(unit(random_));
  deps_.metrics.retries.Increment();
  deps_.metrics.stalled.Set(1);
  if (backoff.failures() % waits_between_log_lines == 1)
    runtime::log(runtime::LogLevel::warn, "ingest.stalled",
                 {{"stage", stage_name(stage)},
                  {"code", errc_name(why.code)},
                  {"cause", why.message},
                  {"tries", backoff.failures()}});
  co_await runtime::pause_for(wait);
}

void Worker::Impl::recovered(Stage stage, const policy::Backoff& backoff) {
  if (backoff.failures() == 0) return;
  deps_.metrics.stalled.Set(0);
  runtime::log(runtime::LogLevel::info, "ingest.resumed",
               {{"stage", stage_name(stage)}, {"tries", backoff.failures()}});
}

// Also after joining a group of tasks, which leaves the coroutine unable to notice by itself.
asio::awaitable<void> Worker::Impl::throw_if_cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  co_await asio::this_coro::throw_if_cancelled(true);
}

Worker::Worker(WorkerDeps deps, Options options)
    : impl_(std::make_unique<Impl>(deps, std::move(options))) {}
Worker::~Worker() = default;

asio::awaitable<void> Worker::run() { return impl_->run(); }

}  // namespace memseal::ingest
