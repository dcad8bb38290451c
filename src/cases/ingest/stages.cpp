// The stages of one batch: read and cut, embed, seal, store.
// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/ingest/internal/seal.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/offload.hpp"

#include <algorithm>

namespace memseal::ingest {

namespace {

using ports::Embedding;
using ports::EventWrite;

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
    if (!job->goes_on() || job->seems_superseded) continue;
    const auto count = job->prepared->document->chunks.size();
    if (!job->embeddings) job->embeddings = std::make_shared<std::vector<Embedding>>(count);
    for (std::size_t i = 0; i < count; ++i)
      if ((*job->embeddings)[i].empty()) pieces.push_back({job, i});
  }
  return pieces;
}

/// The row that only the ledger gets.
std::shared_ptr<const EventWrite> superseded_write(const Prepared& event) {
  const auto& document = *event.document;
  return std::make_shared<const EventWrite>(EventWrite{.event_id = event.event_id,
                                                       .origin = document.origin,
                                                       .doc_id = document.doc_id,
                                                       .revision = document.revision,
                                                       .document_name_cipher = {},
                                                       .chunks = {},
                                                       .expect_superseded = true});
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
  // What may supersede another event is stored before it.
  std::stable_partition(jobs.begin(), jobs.end(),
                        [](const Job* job) { return !job->seems_superseded; });
  auto groups = groups_of(jobs);
  const auto work = [this](Group& group) { return seal_and_store(group); };
  co_await for_each_group(groups, work);
}

asio::awaitable<void> Worker::Impl::seal_and_store(Group& group) {
  co_await seal_group(group);
  co_await store_group(group);
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
  for (auto* job : jobs)
    if (job->seems_superseded) job->sealed = superseded_write(*job->prepared);
  std::erase_if(jobs, [](const Job* job) { return job->seems_superseded; });
  if (jobs.empty()) co_return;
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
    jobs[i]->sealed = nullptr;
    if (const auto outcome = outcome_of(answers[i]))
      settled(*jobs[i], *outcome);
    else
      jobs[i]->seems_superseded = false;  // It is to be embedded after all.
  }
}

}  // namespace memseal::ingest
