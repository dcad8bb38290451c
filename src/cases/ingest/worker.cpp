#include "base/on_exit.hpp"
#include "cases/ingest/internal/status.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/condition.hpp"
#include "runtime/log.hpp"

#include <algorithm>

namespace memseal::ingest {

Worker::Impl::Impl(WorkerDeps deps, Options options)
    : deps_(deps),
      options_(std::make_shared<const Options>(std::move(options))),
      steps_(deps_, options_),
      brake_(options_->brake) {}

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
  steps_.begin_batch();
  try {
    co_await process(batch, all);
    co_await dead_letter_refused(batch, all);
  } catch (const Refused& fault) {
    // A fault of the set-up that outlasted Options::setup_patience: no event is to blame, and
    // nothing but an operator helps. The batch is not done, so Kafka delivers it again after the
    // fix.
    runtime::log(runtime::LogLevel::error, "ingest.stopped",
                 {{"code", errc_name(fault.error().code)}, {"cause", fault.error().message}});
    throw;
  }
  if (options_->status_events) co_await publish_statuses(jobs);
}

// Each stage leaves out the jobs that a stage before refused or settled.
asio::awaitable<void> Worker::Impl::process(BatchPtr batch, Jobs jobs) {
  co_await prepare_all(batch, jobs);
  co_await look_all(jobs);
  co_await embed_all(jobs);
  co_await seal_and_store_all(jobs);
  // What was not superseded after all.
  std::erase_if(jobs, [](const Job* job) { return !job->goes_on(); });
  if (jobs.empty()) co_return;
  co_await embed_all(jobs);
  co_await seal_and_store_all(jobs);
}

asio::awaitable<void> Worker::Impl::dead_letter_refused(BatchPtr batch, Jobs jobs) {
  for (;;) {
    std::erase_if(jobs, [](const Job* job) { return job->outcome.has_value(); });
    const auto unreadable = std::find_if(jobs.begin(), jobs.end(), [](const Job* job) {
      return job->refusal && job->refusal->stage == refused_by_reading;
    });
    if (unreadable != jobs.end()) {
      co_await dead_letter(**unreadable, *(*unreadable)->refusal);
      continue;
    }
    if (jobs.empty()) co_return;
    MEMSEAL_ASSERT(jobs.front()->refusal);
    if (brake_.holds(Clock::now()) == Clock::duration::zero()) {
      co_await dead_letter(*jobs.front(), *jobs.front()->refusal);
      if (jobs.front()->outcome == Outcome::dead_lettered) note_given_up();
      continue;
    }
    co_await wait_for_brake();
    // The cause may be gone by now, so that none of the events fails again.
    for (auto* job : jobs) job->refusal.reset();
    co_await process(batch, jobs);
  }
}

void Worker::Impl::note_given_up() {
  if (!brake_.refused(Clock::now())) return;
  deps_.metrics.brakes.Increment();
  runtime::log(
      runtime::LogLevel::error, "ingest.brake",
      {{"cause", "too many events are dead-lettered: see ingest.dead_lettered"},
       {"dead_lettered", brake_.refused_in_window()},
       {"stored", brake_.stored_in_window()},
       {"hold_s",
        std::chrono::duration_cast<std::chrono::seconds>(brake_.holds(Clock::now())).count()}});
}

// Nothing is taken from Kafka meanwhile.
asio::awaitable<void> Worker::Impl::wait_for_brake() {
  const auto hold = brake_.holds(Clock::now());
  if (hold == Clock::duration::zero()) co_return;
  deps_.metrics.brake.Set(1);
  const OnExit released([this] { deps_.metrics.brake.Set(0); });
  co_await runtime::pause_for(hold);
}

void Worker::Impl::settled(Job& job, Outcome outcome) {
  job.outcome = outcome;
  const auto origin = job.prepared ? job.prepared->origin : std::nullopt;
  deps_.metrics.events(origin, outcome).Increment();
  if (outcome != Outcome::dead_lettered) brake_.stored(Clock::now());
  if (outcome != Outcome::ingested) return;
  deps_.metrics.chunks.Increment(static_cast<double>(job.prepared->document->chunks.size()));
  if (const auto since = job.record->timestamp_ms; since > 0)
    deps_.metrics.end_to_end_s.Observe(
        static_cast<double>(std::max<std::int64_t>(0, deps_.now_ms() - since)) / 1e3);
}

Worker::Worker(WorkerDeps deps, Options options)
    : impl_(std::make_unique<Impl>(deps, std::move(options))) {}
Worker::~Worker() = default;

asio::awaitable<void> Worker::run() { return impl_->run(); }

}  // namespace memseal::ingest
