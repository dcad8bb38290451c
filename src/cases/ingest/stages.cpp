// The stages of one batch: read and cut, embed, seal, store.
// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/ingest/internal/seal.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/offload.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <map>

namespace memseal::ingest {

namespace {

using ports::Embedding;
using ports::EventWrite;
using ports::Stored;

/// What sealing one event needs.
struct Plain {
  std::shared_ptr<const Prepared> event;
  std::shared_ptr<const std::vector<Embedding>> embeddings;
};

/// Those of jobs [first, first + count) that no stage has refused or settled.
Jobs going_on(const Jobs& jobs, std::size_t first, std::size_t count) {
  Jobs chosen;
  for (auto i = first; i < first + count; ++i)
    if (jobs[i]->goes_on()) chosen.push_back(jobs[i]);
  return chosen;
}

void refuse(Job& job, const Error& why) {
  job.refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
}

/// The chunks that have no vector yet.
std::vector<Piece> pieces_of(const Jobs& jobs) {
  std::vector<Piece> pieces;
  for (auto* job : jobs) {
    if (!job->goes_on()) continue;
    const auto count = job->prepared->document->chunks.size();
    if (!job->embeddings) job->embeddings = std::make_shared<std::vector<Embedding>>(count);
    for (std::size_t i = 0; i < count; ++i)
      if ((*job->embeddings)[i].empty()) pieces.push_back({job, i});
  }
  return pieces;
}

/// The jobs of each tenant, tenants in the order of their first job.
std::vector<Group> groups_of(const Jobs& jobs) {
  std::map<crypto::Tenant, std::size_t> places;
  std::vector<Group> groups;
  for (auto* job : jobs) {
    if (!job->goes_on()) continue;
    const auto& owner = *job->prepared->tenant;
    const auto [place, is_new] = places.try_emplace(owner, groups.size());
    if (is_new) groups.push_back({owner, {}});
    groups[place->second].jobs.push_back(job);
  }
  return groups;
}

Outcome outcome_of(Stored answer) {
  switch (answer) {
    case Stored::applied:
      return Outcome::ingested;
    case Stored::duplicate:
      return Outcome::duplicate;
    case Stored::superseded:
      return Outcome::superseded;
    case Stored::erased:
      return Outcome::erased;
  }
  MEMSEAL_ASSERT(false);
}

}  // namespace

asio::awaitable<void> Worker::Impl::prepare_all(BatchPtr batch, Jobs jobs) {
  std::erase_if(jobs, [](const Job* job) { return job->prepared != nullptr; });
  const auto step = [&](std::size_t first, std::size_t count) {
    return prepare_once(batch, going_on(jobs, first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) { refuse(*jobs[at], why); };
  if (!jobs.empty()) co_await steps_.over(Stage::prepare, jobs.size(), jobs.size(), step, give_up);
  for (auto* job : jobs)
    if (job->prepared && job->prepared->fault)
      job->refusal = Refusal{*job->prepared->fault, refused_by_reading, 1};
}

asio::awaitable<void> Worker::Impl::prepare_once(BatchPtr batch, Jobs jobs) {
  std::vector<const ports::Record*> records;
  for (const auto* job : jobs) records.push_back(job->record);
  auto work = [deps = prepare_deps(), now_ms = deps_.now_ms, batch,
               records = std::move(records)](std::stop_token stop) {
    std::vector<std::shared_ptr<const Prepared>> results;
    for (const auto* record : records) {
      if (stop.stop_requested()) break;
      results.push_back(std::make_shared<Prepared>(prepare(deps, *record, now_ms())));
    }
    return results;
  };
  auto prepared = co_await runtime::offload(deps_.cpu, std::move(work));
  MEMSEAL_ASSERT(prepared.size() == jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->prepared = std::move(prepared[i]);
}

asio::awaitable<void> Worker::Impl::embed_all(Jobs jobs) {
  const auto pieces = pieces_of(jobs);
  const auto step = [&](std::size_t first, std::size_t count) {
    return embed_once(std::span(pieces).subspan(first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) { refuse(*pieces[at].job, why); };
  co_await steps_.over(Stage::embed, pieces.size(), options_->embed_chunks_max, step, give_up);
}

asio::awaitable<void> Worker::Impl::embed_once(std::span<const Piece> pieces) {
  std::vector<const Piece*> wanted;
  std::vector<ports::EmbedInput> inputs;
  for (const auto& piece : pieces) {
    if (!piece.job->goes_on()) continue;  // Another chunk of its event was refused.
    wanted.push_back(&piece);
    inputs.push_back({piece.chunk().tokens, piece.chunk().text});
  }
  if (wanted.empty()) co_return;
  auto found = co_await deps_.embedder.embed(context(options_->embed_timeout), std::move(inputs));
  if (found.size() != wanted.size() || !sound_vectors(found, deps_.embedder.dimension()))
    throw Refused({Errc::internal, "the embedder answered without a sound vector for each chunk"});
  for (std::size_t i = 0; i < found.size(); ++i) wanted[i]->embedding() = std::move(found[i]);
}

asio::awaitable<void> Worker::Impl::seal_and_store_all(Jobs jobs) {
  auto groups = groups_of(jobs);
  runtime::TaskGroup workers(co_await asio::this_coro::executor);
  std::size_t next = 0;
  const auto count = std::min(groups.size(), options_->tenants_parallel_max);
  for (std::size_t i = 0; i < count; ++i) workers.spawn(group_worker(groups, next));
  co_await workers.join();
  co_await throw_if_cancelled();
  for (const auto& group : groups)
    if (group.failure) std::rethrow_exception(group.failure);
}

asio::awaitable<void> Worker::Impl::group_worker(std::vector<Group>& groups, std::size_t& next) {
  while (next < groups.size()) {
    auto& group = groups[next++];
    std::exception_ptr failure;
    try {
      co_await seal_group(group);
      co_await store_group(group);
    } catch (...) {
      failure = std::current_exception();
    }
    co_await throw_if_cancelled();
    group.failure = failure;  // The other tenants' groups go on.
  }
}

asio::awaitable<void> Worker::Impl::seal_group(const Group& group) {
  const auto& jobs = group.jobs;
  const auto step = [&](std::size_t first, std::size_t count) {
    return seal_once(group.owner, going_on(jobs, first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) { refuse(*jobs[at], why); };
  co_await steps_.over(Stage::seal, jobs.size(), jobs.size(), step, give_up);
}

asio::awaitable<void> Worker::Impl::seal_once(crypto::Tenant owner, Jobs jobs) {
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
               model = deps_.embedder.model_name()](std::stop_token stop) {
    std::vector<std::shared_ptr<const EventWrite>> sealed;
    for (const auto& plain : plains) {
      if (stop.stop_requested()) break;
      sealed.push_back(std::make_shared<const EventWrite>(
          seal_event(deps, owner, *key, model, *plain.event, *plain.embeddings)));
    }
    return sealed;
  };
  auto sealed = co_await runtime::offload(deps_.cpu, std::move(work));
  MEMSEAL_ASSERT(sealed.size() == jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->sealed = std::move(sealed[i]);
}

asio::awaitable<void> Worker::Impl::store_group(const Group& group) {
  const auto jobs = going_on(group.jobs, 0, group.jobs.size());
  const auto step = [&](std::size_t first, std::size_t count) {
    return store_once(group.owner, going_on(jobs, first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) { refuse(*jobs[at], why); };
  if (!jobs.empty()) co_await steps_.over(Stage::store, jobs.size(), jobs.size(), step, give_up);
}

asio::awaitable<void> Worker::Impl::store_once(crypto::Tenant owner, Jobs jobs) {
  std::vector<EventWrite> writes;  // Copies, because a later try needs them again.
  for (const auto* job : jobs) writes.push_back(*job->sealed);
  const auto answers =
      co_await deps_.store.store(context(options_->store_timeout), owner, std::move(writes));
  if (answers.size() != jobs.size()) throw std::runtime_error("the store lost an answer");
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    settled(*jobs[i], outcome_of(answers[i]));
    jobs[i]->sealed = nullptr;
  }
}

}  // namespace memseal::ingest
