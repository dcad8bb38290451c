// From the source to the queues: records are read and cut, and what needs no embedding is found.
// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/ingest/internal/traces.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/offload.hpp"

#include <boost/asio/execution/occupancy.hpp>
#include <boost/asio/query.hpp>

namespace memseal::ingest {

namespace {

// Ranks of the queue for the embedder. People wait for chats, and programs for what they sent over
// HTTP. A producer does not wait for its documents.
std::size_t rank_of_origin(Origin origin) {
  switch (origin) {
    case Origin::chat:
      return 0;
    case Origin::api:
      return 1;
    case Origin::upload:
      return 2;
  }
  MEMSEAL_ASSERT(false);
}
// Fewer are not worth a second thread.
constexpr std::size_t records_a_thread_min = 16;
// Budgets that are kept before those that are full are forgotten.
constexpr std::size_t budgets_max = 10'000;
// A chunk that keeps its vector costs this part of its tokens.
constexpr std::int64_t kept_part = 8;

// What a chunk takes from its tenant's budget. One that keeps its vector is not embedded, but cut,
// sealed and written like any other: without a price, a user who sends one document again and again
// would never be over the budget.
std::int64_t cost_of(const text::Chunk& chunk, bool is_kept) {
  const auto tokens = static_cast<std::int64_t>(chunk.tokens.size());
  return is_kept ? std::max<std::int64_t>(1, tokens / kept_part) : tokens;
}

std::size_t rank_of(const Job& job, const TopicClasses& classes) {
  const auto found = classes.find(job.record->topic);
  const auto topic_class = found == classes.end() ? TopicClass::upload : found->second;
  if (topic_class == TopicClass::chat) return rank_of_origin(Origin::chat);
  if (topic_class == TopicClass::backfill) return rank_of_backfill;
  const auto rank = rank_of_origin(job.prepared->document->origin);
  return topic_class == TopicClass::api ? std::min(rank, rank_of_origin(Origin::api)) : rank;
}

}  // namespace

Jobs going_on(const Jobs& jobs, std::size_t first, std::size_t count) {
  Jobs chosen;
  for (auto i = first; i < first + count; ++i)
    if (jobs[i]->goes_on()) chosen.push_back(jobs[i]);
  return chosen;
}

asio::awaitable<void> Worker::Impl::take_records() {
  for (;;) {
    while (untold_ >= options_->status_waiting_max || !prepared_.empty())
      co_await changed_->wait();
    auto taken = co_await deps_.source.next();
    if (taken.records.empty()) break;
    ++batches_;
    auto jobs = adopt(std::move(taken));
    co_await open_all(jobs);
    co_await prepare_all(jobs);
    prepared_.push_back(std::move(jobs));
    changed_->notify_all();
  }
  all_prepared_ = true;
  changed_->notify_all();
}

// One batch is looked at while the next one is prepared. Batches are admitted in their order.
asio::awaitable<void> Worker::Impl::admit_prepared() {
  for (;;) {
    while (prepared_.empty() && !all_prepared_) co_await changed_->wait();
    if (prepared_.empty()) break;
    const auto jobs = std::move(prepared_.front());
    prepared_.pop_front();
    changed_->notify_all();
    co_await look_all(jobs);
    admit(jobs);
  }
  ended_ = true;
  changed_->notify_all();
}

Jobs Worker::Impl::adopt(ports::Batch batch) {
  Jobs jobs;
  for (auto& record : batch.records) {
    auto& job = jobs_.emplace_back();
    job.self = std::prev(jobs_.end());
    job.record = std::make_shared<ports::Record>(std::move(record));
    job.generation = batch.generation;
    job.number = ++jobs_taken_;
    job.taken = Clock::now();
    begin_span(deps_.tracer, job);
    jobs.push_back(&job);
  }
  return jobs;
}

asio::awaitable<void> Worker::Impl::prepare_all(Jobs jobs) {
  std::erase_if(jobs, [](const Job* job) { return job->prepared || !job->goes_on(); });
  const auto step = [&](std::size_t first, std::size_t count) {
    return prepare_once(going_on(jobs, first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) {
    jobs[at]->refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
  };
  if (!jobs.empty()) co_await steps_.over(Stage::prepare, jobs.size(), jobs.size(), step, give_up);
  for (auto* job : jobs) {
    if (!job->prepared) continue;
    deps_.metrics.count(job->prepared->adapted);
    if (job->prepared->verdict) deps_.metrics.signatures(*job->prepared->verdict).Increment();
    if (job->prepared->fault) job->refusal = Refusal{*job->prepared->fault, refused_by_reading, 1};
    if (job->prepared->ignored) settled(*job, Outcome::ignored);
  }
}

// By turns, so that each thread gets about as much.
asio::awaitable<void> Worker::Impl::prepare_once(Jobs jobs) {
  StepSpan span(deps_.tracer, "prepare", jobs);
  const std::size_t threads = asio::query(deps_.cpu.get_executor(), asio::execution::occupancy);
  const auto count = std::clamp<std::size_t>(jobs.size() / records_a_thread_min, 1, threads);
  if (count == 1) {
    co_await prepare_part(std::move(jobs));
  } else {
    std::vector<Jobs> parts(count);
    for (std::size_t i = 0; i < jobs.size(); ++i) parts[i % count].push_back(jobs[i]);
    runtime::TaskGroup threads_busy(co_await asio::this_coro::executor);
    for (auto& part : parts) threads_busy.spawn(prepare_part(std::move(part)));
    co_await threads_busy.join();
    co_await throw_if_cancelled();
  }
  span.succeeded();
}

asio::awaitable<void> Worker::Impl::prepare_part(Jobs jobs) {
  std::vector<std::shared_ptr<const ports::Record>> records;
  for (const auto* job : jobs) records.push_back(job->record);
  auto work = [deps = prepare_deps(), now_ms = deps_.now_ms, make_way = deps_.make_way,
               records = std::move(records)](std::stop_token stop) {
    std::vector<std::shared_ptr<const Prepared>> results;
    for (const auto& record : records) {
      make_way();
      if (stop.stop_requested()) break;
      results.push_back(std::make_shared<Prepared>(prepare(deps, *record, now_ms())));
    }
    return results;
  };
  auto prepared = co_await runtime::offload(deps_.cpu, std::move(work));
  MEMSEAL_ASSERT(prepared.size() == jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->prepared = std::move(prepared[i]);
}

void Worker::Impl::admit(const Jobs& jobs) {
  Jobs settled_ones;
  for (auto* job : jobs) {
    if (job->outcome)
      settled_ones.push_back(job);
    else if (job->place == Place::busy)  // Its leader may have left meanwhile, and made it ready.
      admit(*job);
  }
  finish(settled_ones);
}

void Worker::Impl::admit(Job& job) {
  if (!keeps(job)) return drop({&job});
  if (job.refusal) return refuse(job);
  if (!job.rank) job.rank = join_document(job);
  if (job.superseded_by) job.seems_superseded = true;
  if (job.leader)
    job.place = Place::following;
  else if (job.seems_superseded)
    make_ready(job);
  else {
    keep_place(job);
    enqueue(job);
  }
}

// Takes what the chunks of the job cost from its tenant's budget. A document of more
// than a whole budget counts as one, so that it goes by its class when its tenant sent nothing for
// a while.
bool Worker::Impl::has_budget(const Job& job) {
  if (!options_->tenant_budget || job.seems_superseded) return true;
  std::int64_t tokens = 0;
  const auto& chunks = job.prepared->document->chunks;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const bool is_kept = job.embeddings && !(*job.embeddings)[i].empty();
    tokens += cost_of(chunks[i], is_kept);
  }
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                       Clock::now().time_since_epoch()).count();
  const auto& rules = *options_->tenant_budget;
  auto& bucket = budgets_[*job.prepared->tenant];
  const bool has = bucket.take(rules, now, std::max<std::int64_t>(1, tokens)).allowed;
  if (!has) deps_.metrics.over_budget.Increment();
  if (budgets_.size() > budgets_max)
    std::erase_if(budgets_, [&](const auto& one) { return one.second.debt_us(rules, now) == 0; });
  return has;
}

std::size_t Worker::Impl::join_document(Job& job) {
  const auto [at, is_new] = documents_.try_emplace(document_of(job));
  auto& in_work = at->second;
  if (is_new) in_work.rank = rank_of(job, options_->topic_classes);
  if (!has_budget(job)) in_work.rank = rank_of_backfill;
  auto& jobs = in_work.jobs;
  const auto earlier = std::find_if(jobs.rbegin(), jobs.rend(), [&](const Job* other) {
    return other->number < job.number;
  });
  jobs.insert(earlier.base(), &job);
  return in_work.rank;
}

}  // namespace memseal::ingest
