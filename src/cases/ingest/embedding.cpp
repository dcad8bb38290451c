// Embeds the chunks of all jobs, a slice at a time. A slice takes about the same time on every
// machine, and the queue decides whose chunks are in the next one.
#include "cases/ingest/internal/health.hpp"
#include "cases/ingest/internal/worker_impl.hpp"

#include <boost/asio/post.hpp>

namespace memseal::ingest {

namespace {

/// Who has chunks in a slice, in the slice's order.
Jobs jobs_of(const std::vector<Piece>& pieces) {
  Jobs jobs;
  for (const auto& piece : pieces)
    if (std::find(jobs.begin(), jobs.end(), piece.job) == jobs.end()) jobs.push_back(piece.job);
  return jobs;
}

}  // namespace

void Worker::Impl::enqueue(Job& job) {
  const auto& chunks = job.prepared->document->chunks;
  if (!job.embeddings)
    job.embeddings = std::make_shared<std::vector<ports::Embedding>>(chunks.size());
  job.place = Place::queued;
  job.chunks_left = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (!(*job.embeddings)[i].empty()) continue;
    ++job.chunks_left;
    const auto cost = std::max<std::size_t>(1, chunks[i].tokens.size());
    queue_.push(*job.rank, *job.prepared->tenant, Piece{&job, i}, cost);
  }
  if (job.chunks_left == 0) return make_ready(job);
  changed_->notify_all();
}

asio::awaitable<void> Worker::Impl::embed_queued() {
  for (;;) {
    while (queue_.empty() && !over()) co_await changed_->wait();
    if (queue_.empty()) co_return;
    const auto pieces = queue_.take(pace_.size(), options_->embed_chunks_max);
    co_await embed_slice(pieces);
    // Those who store and read get to the threads of the pool before the next slice does.
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<void> Worker::Impl::embed_slice(const std::vector<Piece>& pieces) {
  const auto jobs = jobs_of(pieces);
  for (const auto& piece : pieces) ++piece.job->chunks_in_hand;
  const auto step = [&](std::size_t first, std::size_t count) {
    return embed_once(std::span(pieces).subspan(first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) {
    pieces[at].job->refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
  };
  co_await steps_.over(Stage::embed, pieces.size(), pieces.size(), step, give_up);
  for (auto* job : jobs) after_embedding(*job);
}

asio::awaitable<void> Worker::Impl::embed_once(std::span<const Piece> pieces) {
  std::vector<const Piece*> wanted;
  std::vector<ports::EmbedInput> inputs;
  std::size_t tokens = 0;
  for (const auto& piece : pieces) {
    if (!piece.job->goes_on()) continue;  // Another chunk of its event was refused.
    wanted.push_back(&piece);
    inputs.push_back({piece.chunk().tokens, piece.embedded_text()});
    tokens += piece.chunk().tokens.size();
  }
  if (wanted.empty()) co_return;
  const auto start = Clock::now();
  auto found = co_await deps_.embedder.embed(context(options_->embed_timeout), std::move(inputs));
  pace_.took(tokens, Clock::now() - start);  // Not of a failure, which says nothing of the pace.
  if (found.size() != wanted.size() || !sound_vectors(found, deps_.embedder.dimension()))
    throw Refused({Errc::internal, "the embedder answered without a sound vector for each chunk"});
  for (std::size_t i = 0; i < found.size(); ++i) wanted[i]->embedding() = std::move(found[i]);
}

void Worker::Impl::after_embedding(Job& job) {
  job.chunks_left -= std::exchange(job.chunks_in_hand, 0);
  if (job.refusal) {
    queue_.erase_if(*job.prepared->tenant, [&](const Piece& piece) { return piece.job == &job; });
    return refuse(job);
  }
  if (!keeps(job)) return drop({&job});
  if (job.chunks_left == 0) make_ready(job);
}

}  // namespace memseal::ingest
