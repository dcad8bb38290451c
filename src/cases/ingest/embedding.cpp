// Embeds the chunks of all jobs, a slice at a time. A slice takes about the same time on every
// machine, and the queue decides whose chunks are in the next one. A slice that fails or takes long
// leaves this line, so that nobody else waits for it.
#include "base/on_exit.hpp"
#include "cases/ingest/internal/health.hpp"
#include "cases/ingest/internal/worker_impl.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace memseal::ingest {

namespace {

// Slices that may be left to themselves. More would only make each slower.
constexpr std::size_t slices_left_max = 3;

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

bool Worker::Impl::may_embed() const noexcept {
  return !queue_.empty() && slices_left_ < slices_left_max;
}

asio::awaitable<void> Worker::Impl::embed_queued() {
  for (;;) {
    while (!may_embed() && !over()) co_await changed_->wait();
    if (queue_.empty()) co_return;
    auto slice = std::make_shared<Slice>();
    slice->pieces = queue_.take(pace_.size(), options_->embed_chunks_max);
    for (const auto& piece : slice->pieces) ++piece.job->chunks_in_hand;
    tasks_->spawn(embed_slice(slice));
    co_await wait_with_patience(std::move(slice));
    // Those who store and read get to the threads of the pool before the next slice does.
    co_await asio::post(asio::use_awaitable);
  }
}

// While the embedder is unavailable all wait, because the next slice would fail as well.
asio::awaitable<void> Worker::Impl::wait_with_patience(std::shared_ptr<Slice> slice) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  slice->on_end = [&timer] { timer.cancel(); };
  OnExit gone([&slice] { slice->on_end = {}; });
  do {
    if (slice->ended) co_return;
    timer.expires_after(options_->embed_patience);
    boost::system::error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    co_await throw_if_cancelled();
  } while (!slice->ended && steps_.waits(Stage::embed));
  if (slice->ended) co_return;
  ++slices_left_;
  slice->on_end = [this] {
    --slices_left_;
    changed_->notify_all();
  };
  gone.cancel();
}

asio::awaitable<void> Worker::Impl::embed_slice(std::shared_ptr<Slice> slice) {
  const auto step = [&] { return embed_once(slice->pieces); };
  const auto blamed = co_await steps_.until_blamed(Stage::embed, step);
  if (blamed)
    suspect(std::move(slice->pieces), *blamed);
  else
    after_embedding(slice->pieces);
  slice->ended = true;
  if (slice->on_end) slice->on_end();
}

// Each tenant's chunks are tried apart, so that only the tenant of a poison text waits. The other
// chunks of these events wait too, because nothing more is embedded of an event that is given up.
void Worker::Impl::suspect(std::vector<Piece> pieces, const Error& why) {
  std::map<crypto::Tenant, std::vector<Piece>> of_tenant;
  for (const auto& piece : pieces) of_tenant[*piece.job->prepared->tenant].push_back(piece);
  const bool is_one = of_tenant.size() == 1;
  for (auto& [owner, chunks] : of_tenant) {
    for (const auto& piece : chunks) piece.job->suspected = true;
    queue_.erase_if(owner, [](const Piece& piece) { return piece.job->suspected; });
    suspects_.push_back({std::move(chunks), is_one ? std::optional(why) : std::nullopt});
  }
  changed_->notify_all();
}

asio::awaitable<void> Worker::Impl::embed_suspects() {
  for (;;) {
    while (suspects_.empty() && !over()) co_await changed_->wait();
    if (suspects_.empty()) co_return;
    auto next = std::move(suspects_.front());
    suspects_.pop_front();
    co_await isolate(std::move(next));
  }
}

asio::awaitable<void> Worker::Impl::isolate(Suspects suspects) {
  const auto& pieces = suspects.pieces;
  const auto step = [&](std::size_t first, std::size_t count) {
    return embed_once(std::span(pieces).subspan(first, count));
  };
  const auto give_up = [&](std::size_t at, const Error& why) {
    pieces[at].job->refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
  };
  co_await steps_.over(Stage::embed, pieces.size(), pieces.size(), step, give_up,
                       suspects.failed_before);
  after_embedding(pieces);
}

asio::awaitable<void> Worker::Impl::embed_once(std::span<const Piece> pieces) {
  std::vector<const Piece*> wanted;
  std::vector<ports::EmbedInput> inputs;
  std::size_t tokens = 0;
  for (const auto& piece : pieces) {
    // Another chunk of its event was refused, or another process reads its record now.
    if (!piece.job->goes_on() || !keeps(*piece.job)) continue;
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

void Worker::Impl::after_embedding(const std::vector<Piece>& pieces) {
  for (const auto& piece : pieces) {
    --piece.job->chunks_in_hand;
    --piece.job->chunks_left;
  }
  for (auto* job : jobs_of(pieces)) after_embedding(*job);
}

void Worker::Impl::after_embedding(Job& job) {
  if (job.chunks_in_hand > 0) return;  // Another call has chunks of it.
  const bool is_queued_no_more = std::exchange(job.suspected, false);
  if (job.refusal) return refuse(job);
  if (!keeps(job)) return drop({&job});
  if (is_queued_no_more) return enqueue(job);
  if (job.chunks_left == 0) make_ready(job);
}

}  // namespace memseal::ingest
