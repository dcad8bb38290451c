// An edited document keeps the vectors of the chunks that the edit left as they were: their MACs
// are looked up among those of the stored version, and what is found is not embedded again.
// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/ingest/internal/health.hpp"
#include "cases/ingest/internal/seal.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/offload.hpp"

namespace memseal::ingest {

namespace {

// Turns are not edited: one that is stored is not sent to the embedder at all (recall.cpp).
bool may_keep(const Job& job) {
  if (!job.replaces || !job.goes_on() || job.leader || job.seems_superseded) return false;
  const auto& document = *job.prepared->document;
  return document.origin != Origin::chat && !document.chunks.empty();
}

}  // namespace

// An event about which nothing is found is embedded as a whole.
asio::awaitable<void> Worker::Impl::keep_vectors(crypto::Tenant owner, Jobs jobs) {
  std::erase_if(jobs, [](const Job* job) { return !may_keep(*job); });
  if (jobs.empty()) co_return;
  const auto step = [&](std::size_t first, std::size_t count) {
    return keep_once(owner, going_on(jobs, first, count));
  };
  const auto go_on = [](std::size_t, const Error&) {};
  co_await steps_.over(Stage::look, jobs.size(), jobs.size(), step, go_on);
}

// A version that needs no embedding would overtake an earlier one that stands in the queue, and be
// the reason that this one is superseded. So one of its chunks is embedded, behind the other's.
void Worker::Impl::keep_place(Job& job) {
  if (!job.embeddings || job.embeddings->empty()) return;
  const auto& jobs = documents_.at(document_of(job)).jobs;
  const auto self = std::find(jobs.begin(), jobs.end(), &job);
  const bool is_behind =
      std::any_of(jobs.begin(), self, [](const Job* earlier) { return !earlier->leader; });
  const auto is_missing = [](const ports::Embedding& one) { return one.empty(); };
  if (!is_behind || std::any_of(job.embeddings->begin(), job.embeddings->end(), is_missing)) return;
  job.embeddings->back().clear();
}

asio::awaitable<void> Worker::Impl::keep_once(crypto::Tenant owner, Jobs jobs) {
  ports::TenantKeyPtr key;
  try {
    key = co_await deps_.keys.known_sealing_key(context(options_->store_timeout), owner);
  } catch (const Refused& refused) {
    if (refused.error().code != Errc::tenant_erased) throw;
  }
  if (!key) co_return;  // The store says what becomes of an erased tenant's events.
  std::vector<std::shared_ptr<const Prepared>> events;
  for (const auto* job : jobs) events.push_back(job->prepared);
  auto work = [key, events = std::move(events), make_way = deps_.make_way,
               model = deps_.embedder.model_name(),
               dimension = deps_.embedder.dimension()](std::stop_token stop) {
    std::vector<ports::VectorsKey> keys;
    for (const auto& event : events) {
      make_way();
      if (stop.stop_requested()) break;
      const auto& document = *event->document;
      keys.push_back({document.doc_id, embed_macs(*key, document, model, dimension, make_way)});
    }
    return keys;
  };
  auto keys = co_await runtime::offload(deps_.cpu, std::move(work));
  MEMSEAL_ASSERT(keys.size() == jobs.size());
  auto answers =
      co_await deps_.store.stored_vectors(context(options_->store_timeout), owner, std::move(keys));
  if (answers.size() != jobs.size()) throw std::runtime_error("the store lost an answer");
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    auto& vectors = answers[i];
    if (vectors.size() != jobs[i]->prepared->document->chunks.size())
      throw std::runtime_error("the store lost a vector");
    for (auto& vector : vectors) {
      if (!is_sound(vector, deps_.embedder.dimension()))
        vector.clear();
      else
        deps_.metrics.vectors_kept.Increment();
    }
    jobs[i]->embeddings = std::make_shared<std::vector<ports::Embedding>>(std::move(vectors));
  }
}

}  // namespace memseal::ingest
