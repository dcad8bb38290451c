#include "base/on_exit.hpp"
#include "cases/ingest/internal/traces.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/log.hpp"

#include <set>

namespace memseal::ingest {

namespace {

// Letters being written at the same time, of all tenants and of one. What cannot be read comes in
// masses, and what is given up does not.
constexpr int unreadable_parallel_max = 16, given_up_parallel_max = 4;
constexpr std::size_t unreadable_of_tenant_max = 4, given_up_of_tenant_max = 1;
// Tenants whose chunks are tried apart at the same time, because the embedder failed for them. One
// of these coroutines is kept for chunks that were not tried apart yet.
constexpr int suspects_parallel = 4;
// A file that is read slowly does not stop those behind it.
constexpr int fetches_parallel = 2;
constexpr std::size_t quantum_tokens = limits::chunk_tokens_max;
// Otherwise a large chunk would wait for as long as there are chats.
static_assert(policy::PaceRules{}.least / 4 >= limits::chunk_tokens_max);

}  // namespace

Worker::Impl::Impl(WorkerDeps deps, Options options)
    : deps_(deps),
      options_(std::make_shared<const Options>(std::move(options))),
      steps_(deps_, options_),
      brake_(options_->brake),
      pace_(options_->pace),
      queue_(quantum_tokens),
      unreadable_(unreadable_of_tenant_max),
      given_up_(given_up_of_tenant_max) {}

PrepareDeps Worker::Impl::prepare_deps() const {
  return {deps_.tokenizer, deps_.keyer, deps_.ids, deps_.gate, options_, deps_.make_way};
}

runtime::RequestContext Worker::Impl::context(std::chrono::milliseconds budget) const {
  return {"ingest-" + std::to_string(batches_), runtime::Deadline::after(budget)};
}

asio::awaitable<void> Worker::Impl::run() {
  changed_.emplace(co_await asio::this_coro::executor);
  deps_.source.on_departure([this] { drop_departed(); });
  const OnExit unregister([this] { deps_.source.on_departure({}); });
  // The steps of the jobs that are left have spans, which need their parents.
  const OnExit told([this] {
    for (auto& job : jobs_) end_span_of_dropped(job);
  });
  try {
    co_await run_all();
  } catch (const Refused& fault) {
    // A fault of the set-up that outlasted Options::setup_patience: no event is to blame, and
    // nothing but an operator helps. What is not done, Kafka delivers again after the fix.
    runtime::log(runtime::LogLevel::error, "ingest.stopped",
                 {{"code", errc_name(fault.error().code)}, {"cause", fault.error().message}});
    throw;
  }
}

asio::awaitable<void> Worker::Impl::run_all() {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks_ = &tasks;
  const OnExit gone([this] { tasks_ = nullptr; });
  tasks.spawn(take_records());
  tasks.spawn(admit_prepared());
  for (int i = 0; i < fetches_parallel; ++i) tasks.spawn(fetch_texts());
  tasks.spawn(embed_queued());
  for (int i = 0; i < suspects_parallel; ++i) tasks.spawn(embed_suspects(i == 0));
  for (std::size_t i = 0; i < options_->tenants_in_work_max; ++i) tasks.spawn(store_ready());
  // Side by side, so that a producer of many malformed events does not stop the others.
  for (int i = 0; i < unreadable_parallel_max; ++i) tasks.spawn(dead_letter_unreadable());
  for (int i = 0; i < given_up_parallel_max; ++i) tasks.spawn(dead_letter_given_up());
  tasks.spawn(watch_brake());
  co_await tasks.join();
  co_await throw_if_cancelled();
}

void Worker::Impl::settled(Job& job, Outcome outcome) {
  job.outcome = outcome;
  const auto origin = job.prepared ? job.prepared->origin : std::nullopt;
  deps_.metrics.events(origin, outcome).Increment();
  end_span(job);
  if (outcome != Outcome::dead_lettered) brake_.stored(Clock::now());
  if (outcome == Outcome::ingested || job.delivered_again) supersede_earlier(job);
  if (outcome != Outcome::ingested) return;
  deps_.metrics.chunks.Increment(static_cast<double>(job.prepared->document->chunks.size()));
  const auto& record = *job.record;
  if (record.timestamp_ms <= 0) return;
  const auto now_ms = deps_.broker_now_ms();
  deps_.metrics.end_to_end_s(record.has_broker_time)
      .Observe(static_cast<double>(std::max<std::int64_t>(0, now_ms - record.timestamp_ms)) / 1e3);
}

namespace {

/// Whether `later`, which is stored, must not be undone by `earlier`, which is still here.
bool supersedes(const Document& later, const Document& earlier) {
  if (later.doc_id != earlier.doc_id) return false;
  if (later.origin != Origin::chat)
    return later.deletion ? earlier.origin != Origin::chat
                          : later.by_arrival && earlier.by_arrival;
  const bool deletes_all = later.deletion && !later.deletion->before_ms;
  return deletes_all && earlier.conversation;
}

}  // namespace

// An earlier event that is still here was refused or put back. An upload without a revision must
// not replace the later one, nor must turns come back to a conversation that was deleted.
void Worker::Impl::supersede_earlier(Job& job) {
  const auto* document = job.prepared->document.get();
  if (!document || (!document->by_arrival && !document->deletion) || job.prepared->replayed)
    return;
  const auto in_work = documents_.find(document_of(job));
  if (in_work == documents_.end() || in_work->second.jobs.size() <= (job.rank ? 1u : 0u)) return;
  for (auto at = jobs_.begin(); at != job.self; ++at) {
    const auto* other = at->prepared ? at->prepared->document.get() : nullptr;
    if (other && !at->outcome && supersedes(*document, *other) &&
        at->prepared->tenant == job.prepared->tenant)
      at->superseded_by = job.prepared->event_id;
  }
}

// The jobs have taken effect: tell so, then return their records.
void Worker::Impl::finish(const Jobs& jobs) {
  if (jobs.empty()) return;
  for (auto* job : jobs) {
    MEMSEAL_ASSERT(job->outcome);
    leave(*job);
  }
  if (options_->status_events)
    tell(jobs);
  else
    give_back(jobs, &ports::EventSource::done);
}

void Worker::Impl::give_back(const Jobs& jobs,
                             void (ports::EventSource::*how)(const ports::Batch&)) {
  std::map<std::uint64_t, ports::Batch> batches;
  for (auto* job : jobs) {
    auto& batch = batches[job->generation];
    batch.generation = job->generation;
    batch.records.push_back(std::move(*job->record));
    jobs_.erase(job->self);
  }
  for (const auto& [generation, batch] : batches) (deps_.source.*how)(batch);
  changed_->notify_all();
}

// Another process will read the records of partitions that leave. What waits here is dropped, so
// that the partitions can go at once; what is being embedded or stored goes on, because the ledger
// lets it take effect once.
void Worker::Impl::drop_departed() {
  Jobs gone;
  for (auto& job : jobs_) {
    const bool waits = job.place != Place::busy && job.chunks_in_hand == 0;
    if (waits && !keeps(job)) gone.push_back(&job);
  }
  if (gone.empty()) return;
  runtime::log(runtime::LogLevel::info, "ingest.dropped", {{"records", gone.size()}});
  drop(gone);
}

// All are marked before the first leaves, so that none of them makes another one ready.
void Worker::Impl::drop(const Jobs& jobs) {
  for (auto* job : jobs) job->leaving = true;
  unqueue(jobs);
  for (auto* job : jobs) {
    if (job->leader && !job->leader->leaving) std::erase(job->leader->followers, job);
    leave(*job);
    end_span_of_dropped(*job);
  }
  give_back(jobs, &ports::EventSource::dropped);
}

void Worker::Impl::unqueue(const Jobs& jobs) {
  std::set<crypto::Tenant> owners;
  bool refused = false;
  for (const auto* job : jobs) {
    refused = refused || job->place == Place::refused;
    if (job->place == Place::queued || job->place == Place::ready)
      owners.insert(*job->prepared->tenant);
  }
  for (const auto& owner : owners) {
    queue_.erase_if(owner, [](const Piece& piece) { return piece.job->leaving; });
    if (const auto held = held_.find(owner); held != held_.end())
      std::erase_if(held->second, [](const Job* job) { return job->leaving; });
    const auto ready = ready_.find(owner);
    if (ready == ready_.end()) continue;
    std::erase_if(ready->second.jobs, [](const Job* job) { return job->leaving; });
    settle_turn(ready);
  }
  for (const auto& owner : suspects_.erase_leaving()) release(owner);
  std::erase_if(awaiting_, [](const Job* job) { return job->leaving; });
  if (!refused) return;
  unreadable_.erase_leaving();
  given_up_.erase_leaving();
}

// Nobody waits for this job any more.
void Worker::Impl::leave(Job& job) {
  for (auto* follower : job.followers) {
    follower->leader = nullptr;
    if (follower->place == Place::following && !follower->leaving) make_ready(*follower);
  }
  job.followers.clear();
  if (job.referenced_bytes > 0) hold_text(job, 0);
  if (!job.rank) return;
  const auto document = documents_.find(document_of(job));
  auto& others = document->second.jobs;
  std::erase(others, &job);
  for (auto* other : others)
    if (other->place == Place::chained && !other->leaving) make_ready(*other);
  if (others.empty()) documents_.erase(document);
}

Worker::Worker(WorkerDeps deps, Options options)
    : impl_(std::make_unique<Impl>(deps, std::move(options))) {}
Worker::~Worker() = default;

asio::awaitable<void> Worker::run() { return impl_->run(); }

}  // namespace memseal::ingest
