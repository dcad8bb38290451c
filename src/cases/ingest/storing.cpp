// Seals what is embedded and writes it, each tenant in transactions of its own.
// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/ingest/internal/seal.hpp"
#include "cases/ingest/internal/traces.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/offload.hpp"

namespace memseal::ingest {

namespace {

using ports::Embedding;
using ports::EventWrite;

// Of one transaction, as sealed_bytes() counts. One event always fits.
constexpr std::size_t group_bytes_max = 32u << 20;
// A group that does not fit is passed over so often. Then the others wait until there is room.
constexpr std::size_t passes_max = 32;

/// What sealing one event needs.
struct Plain {
  std::shared_ptr<const Prepared> event;
  std::shared_ptr<const std::vector<Embedding>> embeddings;
};

/// Counts a group while it uses the database.
class Counted {
 public:
  Counted(std::size_t& count, runtime::Condition& changed) : count_(count), changed_(changed) {
    ++count_;
  }
  ~Counted() {
    --count_;
    changed_.notify_all();
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& count_;
  runtime::Condition& changed_;
};

void set_refusal(Job& job, const Error& why) {
  job.refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
}

/// The row that only the ledger gets.
std::shared_ptr<const EventWrite> superseded_write(const Job& job) {
  auto write = write_head(*job.prepared);
  if (job.superseded_by) {
    // Turns that a deletion of their conversation outran have none.
    if (!write.by_arrival) write.by_arrival.emplace();
    write.by_arrival->superseded_by = job.superseded_by;
  }
  write.expect_superseded = true;
  return std::make_shared<const EventWrite>(std::move(write));
}

/// About how many bytes the rows of a job take twice, because each try to store them sends a copy.
/// The document's metadata are sealed with each chunk.
std::size_t sealed_bytes(const Job& job, std::size_t dimension, bool with_terms) {
  constexpr std::size_t row_bytes = 256, copies = 2;
  if (job.seems_superseded) return copies * row_bytes;
  const auto& document = *job.prepared->document;
  std::size_t bytes = row_bytes;
  for (std::size_t i = 0; i < document.chunks.size(); ++i)
    bytes += document.chunks[i].text.size() + document.meta_bytes(i) +
             dimension * sizeof(float) + row_bytes +
             (with_terms ? document.chunks[i].text.size() + row_bytes : 0);
  return copies * bytes;
}

/// Whether `earlier`, stored after `later`, would replace it, although it arrived before.
bool overwrites(const Document& earlier, const Document& later) {
  // A deletion takes what came before it, and leaves what comes after it.
  if (earlier.deletion || later.deletion)
    return (earlier.origin == Origin::chat) == (later.origin == Origin::chat);
  if (earlier.origin == Origin::chat || later.origin == Origin::chat) return false;
  // Of two without a revision the later one supersedes the earlier, also when that comes back.
  if (earlier.by_arrival && later.by_arrival) return false;
  return earlier.by_arrival || later.by_arrival || earlier.revision == later.revision;
}

}  // namespace

void Worker::Impl::make_ready(Job& job) {
  job.place = waits_for_earlier(job) ? Place::chained : Place::ready;
  if (job.place == Place::chained) return;  // leave() of the earlier one brings it back.
  job.store_bytes = sealed_bytes(job, deps_.embedder.dimension(), options_->terms);
  const auto at = ready_.try_emplace(*job.prepared->tenant).first;
  at->second.jobs.push_back(&job);
  settle_turn(at);
  changed_->notify_all();
}

// A group takes part in the limit while it is tried, and not while it waits for its next try.
// Otherwise four tenants whose rows are locked would keep all others from being stored.
asio::awaitable<void> Worker::Impl::wait_to_write() {
  while (writing_ >= options_->tenants_parallel_max) co_await changed_->wait();
}

// NOTE: what follows another job waits for that one, which may wait for this job. So it is not
// waited for.
bool Worker::Impl::waits_for_earlier(const Job& job) const {
  const auto& jobs = documents_.at(document_of(job)).jobs;
  const auto self = std::find(jobs.begin(), jobs.end(), &job);
  return std::any_of(jobs.begin(), self, [&](const Job* earlier) {
    return !earlier->leader && !earlier->leaving &&
           overwrites(*earlier->prepared->document, *job.prepared->document);
  });
}

// A tenant is in store_turns_ once while jobs of it wait and none is being stored.
void Worker::Impl::settle_turn(ReadyJobs::iterator at) {
  auto& [owner, ready] = *at;
  const bool wants = !ready.jobs.empty() && !ready.storing;
  if (wants && !ready.in_turns) store_turns_.push_back(owner);
  if (!wants && ready.in_turns) std::erase(store_turns_, owner);
  ready.in_turns = wants;
  if (ready.jobs.empty() && !ready.storing) ready_.erase(at);
}

asio::awaitable<void> Worker::Impl::store_ready() {
  for (;;) {
    std::optional<Group> group;
    while (!(group = next_group()) && !over()) co_await changed_->wait();
    if (!group) co_return;
    co_await seal_group(*group);
    co_await store_group(*group);
    conclude(*group);
  }
}

std::optional<Group> Worker::Impl::next_group() {
  for (auto turn = store_turns_.begin(); turn != store_turns_.end(); ++turn) {
    auto group = group_of(*turn);
    if (sealing_bytes_ == 0 || sealing_bytes_ + group.bytes <= options_->sealing_bytes_max) {
      for (auto at = store_turns_.begin(); at != turn; ++at) ++ready_.at(*at).passed_over;
      start(group);
      return group;
    }
    if (ready_.at(*turn).passed_over >= passes_max) break;
  }
  return std::nullopt;
}

// The first jobs of a tenant, for one transaction.
Group Worker::Impl::group_of(const crypto::Tenant& owner) const {
  Group group{owner, {}};
  for (auto* job : ready_.at(owner).jobs) {
    const bool full = group.jobs.size() == limits::batch_records_max ||
                      group.bytes + job->store_bytes > group_bytes_max;
    if (full && !group.jobs.empty()) break;
    group.bytes += job->store_bytes;
    group.jobs.push_back(job);
  }
  return group;
}

void Worker::Impl::start(Group& group) {
  sealing_bytes_ += group.bytes;
  const auto at = ready_.find(group.owner);
  auto& ready = at->second;
  ready.jobs.erase(ready.jobs.begin(),
                   ready.jobs.begin() + static_cast<std::ptrdiff_t>(group.jobs.size()));
  ready.storing = true;
  ready.passed_over = 0;
  settle_turn(at);
  for (auto* job : group.jobs) job->place = Place::busy;
  // In the order of their arrival, which those have lost that came back from elsewhere.
  std::sort(group.jobs.begin(), group.jobs.end(),
            [](const Job* a, const Job* b) { return a->number < b->number; });
  // What may supersede another event is stored before it.
  std::stable_partition(group.jobs.begin(), group.jobs.end(),
                        [](const Job* job) { return !job->seems_superseded; });
}

void Worker::Impl::conclude(const Group& group) {
  sealing_bytes_ -= group.bytes;
  Jobs settled_ones;
  for (auto* job : group.jobs) {
    if (job->outcome)
      settled_ones.push_back(job);
    else if (job->refusal)
      refuse(*job);
    else if (keeps(*job))
      enqueue(*job);  // It is not superseded after all.
    else
      drop({job});
  }
  finish(settled_ones);
  const auto ready = ready_.find(group.owner);
  ready->second.storing = false;
  settle_turn(ready);
  changed_->notify_all();
}

asio::awaitable<void> Worker::Impl::seal_group(const Group& group) {
  const auto& jobs = group.jobs;
  const auto step = [&](std::size_t first, std::size_t count) {
    return seal_once(group.owner, going_on(jobs, first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) { set_refusal(*jobs[at], why); };
  co_await steps_.over(Stage::seal, jobs.size(), jobs.size(), step, give_up);
}

asio::awaitable<void> Worker::Impl::seal_once(crypto::Tenant owner, Jobs jobs) {
  for (auto* job : jobs) {
    if (job->superseded_by) job->seems_superseded = true;
    if (job->seems_superseded)
      job->sealed = superseded_write(*job);
    else if (job->prepared->document->deletion)
      job->sealed = std::make_shared<const EventWrite>(write_head(*job->prepared));
  }
  std::erase_if(jobs, [](const Job* job) {
    return job->seems_superseded || job->prepared->document->deletion;
  });
  if (jobs.empty()) co_return;
  co_await wait_to_write();
  const Counted in_limit(writing_, *changed_);
  ports::TenantKeyPtr key;
  bool erased = false;
  try {
    key = co_await deps_.keys.sealing_key(context(options_->store_timeout), owner);
  } catch (const Refused& refused) {
    if (refused.error().code != Errc::tenant_erased) throw;
    erased = true;
  }
  if (erased) {  // The tenant may have no rows: its events are done with.
    for (auto* job : jobs) settled(*job, Outcome::erased);
    co_return;
  }
  if (!key) throw Refused({Errc::key_missing, "the tenant has no key to seal with"});
  std::vector<Plain> plains;
  for (const auto* job : jobs) plains.push_back({job->prepared, job->embeddings});
  auto work = [deps = prepare_deps(), owner, key, plains = std::move(plains),
               model = deps_.embedder.model_name(),
               make_way = deps_.make_way](std::stop_token stop) {
    std::vector<std::shared_ptr<const EventWrite>> sealed;
    for (const auto& plain : plains) {
      make_way();
      if (stop.stop_requested()) break;
      sealed.push_back(std::make_shared<const EventWrite>(
          seal_event(deps, owner, *key, model, *plain.event, *plain.embeddings, make_way)));
    }
    return sealed;
  };
  StepSpan span(deps_.tracer, "seal", jobs);
  auto sealed = co_await runtime::offload(deps_.cpu, std::move(work));
  MEMSEAL_ASSERT(sealed.size() == jobs.size());
  span.succeeded();
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->sealed = std::move(sealed[i]);
}

asio::awaitable<void> Worker::Impl::store_group(const Group& group) {
  const auto jobs = going_on(group.jobs, 0, group.jobs.size());
  const auto step = [&](std::size_t first, std::size_t count) {
    return store_once(group.owner, going_on(jobs, first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) { set_refusal(*jobs[at], why); };
  if (!jobs.empty()) co_await steps_.over(Stage::store, jobs.size(), jobs.size(), step, give_up);
}

asio::awaitable<void> Worker::Impl::store_once(crypto::Tenant owner, Jobs jobs) {
  co_await wait_to_write();
  const Counted in_limit(writing_, *changed_);
  StepSpan span(deps_.tracer, "store", jobs);
  std::vector<EventWrite> writes;  // Copies, because a later try needs them again.
  for (const auto* job : jobs) writes.push_back(*job->sealed);
  const auto answers =
      co_await deps_.store.store(context(options_->store_timeout), owner, std::move(writes));
  if (answers.size() != jobs.size()) throw std::runtime_error("the store lost an answer");
  span.succeeded();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->sealed = nullptr;
    if (const auto outcome = outcome_of(answers[i]))
      settled(*jobs[i], *outcome);
    if (jobs[i]->outcome) continue;
    jobs[i]->seems_superseded = false;  // It is to be embedded after all.
    jobs[i]->superseded_by.reset();
  }
}

}  // namespace memseal::ingest
