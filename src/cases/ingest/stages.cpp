// The stages of one batch: read and cut, embed, seal, store.
// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/ingest/internal/worker_impl.hpp"
#include "pure/crypto/sealer.hpp"
#include "runtime/observe.hpp"
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

ByteView bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

crypto::SealedChunk seal_chunk(const PrepareDeps& deps, const crypto::Tenant& owner,
                               const crypto::TenantKey& key, const std::string& model,
                               const Document& document, const text::Chunk& chunk,
                               const Embedding& embedding) {
  crypto::ChunkHeader place{.id = deps.ids.chunk_id(owner, document.doc_id,
                                                    document.chunk_revision, chunk.index),
                           .doc_id = document.doc_id,
                           .origin = document.origin,
                           .chunk_index = chunk.index,
                           .char_start = chunk.char_start,
                           .char_end = chunk.char_end,
                           .tags = document.tags,
                           .model = model};
  const crypto::ChunkPlain plain{.text = chunk.text,
                                 .meta_json = document.meta_json,
                                 .embedding = embedding,
                                 .seal_embedding = deps.options->seal_vectors};
  return crypto::Sealer::seal(owner, key, std::move(place), plain).value();
}

EventWrite seal_event(const PrepareDeps& deps, const crypto::Tenant& owner,
                      const crypto::TenantKey& key, const std::string& model,
                      const Plain& plain) {
  const auto& document = *plain.event->document;
  EventWrite write{.event_id = plain.event->event_id,
                   .origin = document.origin,
                   .doc_id = document.doc_id,
                   .revision = document.revision};
  if (!document.name.empty()) {
    const crypto::SealBinding place{document_object(deps.ids, owner, write.doc_id.value()),
                                    write.doc_id.value(), 0};
    write.document_name_cipher = crypto::Sealer::seal(owner, key, crypto::Field::document_name,
                                                      place, bytes_of(document.name)).value();
  }
  write.chunks.reserve(document.chunks.size());
  for (std::size_t i = 0; i < document.chunks.size(); ++i)
    write.chunks.push_back(seal_chunk(deps, owner, key, model, document, document.chunks[i],
                                      (*plain.embeddings)[i]));
  return write;
}

Outcome outcome_of(Stored answer) {
  switch (answer) {
    case Stored::applied: return Outcome::ingested;
    case Stored::duplicate: return Outcome::duplicate;
    case Stored::superseded: return Outcome::superseded;
    case Stored::erased: return Outcome::erased;
  }
  MEMSEAL_ASSERT(false);
}

}  // namespace

asio::awaitable<void> Worker::Impl::prepare_all(BatchPtr batch, Jobs jobs) {
  std::erase_if(jobs, [](const Job* job) { return job->prepared != nullptr; });
  if (jobs.empty()) co_return;
  std::vector<const ports::Record*> records;
  for (const auto* job : jobs) records.push_back(job->record);
  const auto start = Clock::now();
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
  runtime::observe_since(deps_.metrics.stage(Stage::prepare), start);
}

asio::awaitable<void> Worker::Impl::embed_once(std::vector<ports::EmbedInput> inputs,
                                               std::vector<Embedding>& out) {
  const auto wanted = inputs.size();
  auto found = co_await deps_.embedder.embed(context(options_->embed_timeout), std::move(inputs));
  if (found.size() != wanted) throw std::runtime_error("the embedder lost a chunk");
  std::move(found.begin(), found.end(), std::back_inserter(out));
}

asio::awaitable<void> Worker::Impl::embed_all(Jobs jobs) {
  std::erase_if(jobs, [](const Job* job) { return job->embeddings != nullptr; });
  std::vector<const text::Chunk*> all;
  for (const auto* job : jobs)
    for (const auto& chunk : job->prepared->document->chunks) all.push_back(&chunk);
  std::vector<Embedding> embeddings;
  embeddings.reserve(all.size());
  while (embeddings.size() < all.size()) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(embeddings.size());
    const auto count = std::min(all.size() - embeddings.size(), options_->embed_chunks_max);
    std::vector<ports::EmbedInput> inputs;
    std::transform(first, first + static_cast<std::ptrdiff_t>(count), std::back_inserter(inputs),
                   [](const auto* one) { return ports::EmbedInput{one->tokens, one->text}; });
    co_await retry_while_unavailable(Stage::embed, [&] { return embed_once(inputs, embeddings); });
  }
  auto next = std::make_move_iterator(embeddings.begin());
  for (auto* job : jobs) {
    const auto count = static_cast<std::ptrdiff_t>(job->prepared->document->chunks.size());
    job->embeddings = std::make_shared<std::vector<Embedding>>(next, next + count);
    next += count;
  }
}

asio::awaitable<void> Worker::Impl::store_all(Jobs jobs) {
  std::map<crypto::Tenant, std::size_t> places;
  std::vector<Group> groups;
  for (auto* job : jobs) {
    if (job->outcome) continue;
    const auto& owner = *job->prepared->tenant;
    const auto [place, fresh] = places.try_emplace(owner, groups.size());
    if (fresh) groups.push_back({owner, {}});
    groups[place->second].jobs.push_back(job);
  }
  runtime::TaskGroup lanes(co_await asio::this_coro::executor);
  std::size_t next = 0;
  const auto count = std::min(groups.size(), options_->tenants_parallel_max);
  for (std::size_t i = 0; i < count; ++i) lanes.spawn(store_worker(groups, next));
  co_await lanes.join();
  co_await throw_if_cancelled();
  for (const auto& group : groups)
    if (group.failure) std::rethrow_exception(group.failure);
}

asio::awaitable<void> Worker::Impl::store_worker(std::vector<Group>& groups, std::size_t& next) {
  while (next < groups.size()) {
    auto& group = groups[next++];
    std::exception_ptr failure;
    try {
      co_await store_group(group);
    } catch (...) {
      failure = std::current_exception();
    }
    co_await throw_if_cancelled();
    group.failure = failure;  // The other tenants' groups go on.
  }
}

asio::awaitable<void> Worker::Impl::store_group(Group& group) {
  std::vector<EventWrite> writes;
  bool erased = false;
  try {
    co_await retry_while_unavailable(Stage::seal, [&] { return seal_once(group, writes); });
  } catch (const Refused& refused) {
    if (refused.error().code != Errc::tenant_erased) throw;
    erased = true;  // Has no key any more, and may have no rows: the event is done with.
  }
  std::vector<Stored> answers(group.jobs.size(), Stored::erased);
  if (!erased)
    co_await retry_while_unavailable(Stage::store,
                                     [&] { return store_once(group, writes, answers); });
  for (std::size_t i = 0; i < group.jobs.size(); ++i)
    settled(*group.jobs[i], outcome_of(answers[i]));
}

asio::awaitable<void> Worker::Impl::seal_once(const Group& group,
                                              std::vector<EventWrite>& writes) {
  const auto key =
      co_await deps_.keys.sealing_key(context(options_->store_timeout), group.owner);
  std::vector<Plain> plains;
  for (const auto* job : group.jobs) plains.push_back({job->prepared, job->embeddings});
  auto work = [deps = prepare_deps(), owner = group.owner, key, plains = std::move(plains),
               model = deps_.embedder.model_name()](std::stop_token stop) {
    std::vector<EventWrite> sealed;
    for (const auto& plain : plains) {
      if (stop.stop_requested()) break;
      sealed.push_back(seal_event(deps, owner, *key, model, plain));
    }
    return sealed;
  };
  writes = co_await runtime::offload(deps_.cpu, std::move(work));
}

asio::awaitable<void> Worker::Impl::store_once(const Group& group,
                                               const std::vector<EventWrite>& writes,
                                               std::vector<Stored>& answers) {
  auto copy = writes;  // A later try needs them again.
  answers = co_await deps_.store.store(context(options_->store_timeout), group.owner,
                                        std::move(copy));
  if (answers.size() != writes.size()) throw std::runtime_error("the store lost an answer");
}

}  // namespace memseal::ingest
