// Embeds the chunks of all jobs, a slice at a time. A slice takes about the same time on every
// machine, and the queue decides whose chunks are in the next one. A slice that fails, or takes
// long while the embedder answers others, is ended. Its chunks are then tried apart, beside the
// line.
#include "cases/ingest/internal/health.hpp"
#include "cases/ingest/internal/traces.hpp"
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
  if (job.prepared->document->awaits_text) return await_text(job);
  const auto& chunks = job.prepared->document->chunks;
  const auto& owner = *job.prepared->tenant;
  if (!job.embeddings)
    job.embeddings = std::make_shared<std::vector<ports::Embedding>>(chunks.size());
  const auto is_missing = [](const ports::Embedding& one) { return one.empty(); };
  job.chunks_left = static_cast<std::size_t>(
      std::count_if(job.embeddings->begin(), job.embeddings->end(), is_missing));
  if (job.chunks_left == 0) return make_ready(job);
  job.place = Place::queued;
  if (suspects_.holds(owner)) return held_[owner].push_back(&job);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (!is_missing((*job.embeddings)[i])) continue;
    const auto cost = std::max<std::size_t>(1, chunks[i].tokens.size());
    queue_.push(*job.rank, owner, Piece{&job, i}, cost);
  }
  changed_->notify_all();
}

asio::awaitable<void> Worker::Impl::embed_queued() {
  for (;;) {
    while (queue_.empty() && !over()) co_await changed_->wait();
    if (queue_.empty()) co_return;
    Slice slice{.pieces = queue_.take(pace_.size(), options_->embed_chunks_max)};
    for (const auto& piece : slice.pieces) ++piece.job->chunks_in_hand;
    co_await embed_with_patience(slice);
    if (slice.blamed)
      suspect(std::move(slice.pieces), *slice.blamed, false);
    else if (slice.ended)
      after_embedding(slice.pieces);
    else
      suspect(std::move(slice.pieces), {Errc::timeout, "the embedder took too long"}, true);
    // Those who store and read get to the threads of the pool before the next slice does.
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<void> Worker::Impl::embed_with_patience(Slice& slice) {
  runtime::TaskGroup call(co_await asio::this_coro::executor);
  call.spawn(embed_slice(slice, call));
  call.spawn(watch_slice(slice, call));
  co_await call.join();
  co_await throw_if_cancelled();
}

asio::awaitable<void> Worker::Impl::embed_slice(Slice& slice, runtime::TaskGroup& call) {
  const auto step = [&] { return embed_once(slice.pieces, options_->embed_timeout); };
  slice.blamed = co_await steps_.until_blamed(Stage::embed, step);
  slice.ended = true;
  call.cancel();
}

// While the embedder answers nobody all wait, because the next slice would hang as well.
asio::awaitable<void> Worker::Impl::watch_slice(Slice& slice, runtime::TaskGroup& call) {
  for (;;) {
    co_await runtime::pause_for(options_->embed_patience);
    if (steps_.waits(Stage::embed)) continue;
    const auto failure = co_await steps_.failure_of(Stage::embed);
    if (slice.ended) co_return;
    if (!failure && !steps_.waits(Stage::embed)) break;
  }
  call.cancel();
}

// Each tenant's chunks are tried apart, so that only the tenant of a poison text waits. The other
// chunks of these events wait too, because nothing more is embedded of an event that is given up.
// Where the call hung, all that the tenant has in the queue waits: it would hang the line again.
void Worker::Impl::suspect(std::vector<Piece> pieces, const Error& why, bool hung) {
  std::map<crypto::Tenant, std::vector<Piece>> of_tenant;
  for (const auto& piece : pieces) of_tenant[piece.owner()].push_back(piece);
  const bool is_one = of_tenant.size() == 1;
  for (auto& [owner, chunks] : of_tenant) {
    for (const auto& piece : chunks) {
      piece.job->suspected = true;
      --piece.job->chunks_in_hand;
    }
    queue_.erase_if(owner, [](const Piece& piece) { return piece.job->suspected; });
    if (hung) hold(owner);
    suspects_.push({std::move(chunks), hung, is_one, is_one ? std::optional(why) : std::nullopt});
  }
  drop_departed();
  changed_->notify_all();
}

void Worker::Impl::hold(const crypto::Tenant& owner) {
  auto& held = held_[owner];
  queue_.erase_if(owner, [&](const Piece& piece) {
    if (held.empty() || held.back() != piece.job) held.push_back(piece.job);
    return true;
  });
  std::sort(held.begin(), held.end(), [](const Job* a, const Job* b) {
    return a->number < b->number;
  });
  held.erase(std::unique(held.begin(), held.end()), held.end());
}

void Worker::Impl::release(const crypto::Tenant& owner) {
  if (suspects_.holds(owner)) return;
  auto held = held_.extract(owner);
  if (held.empty()) return;
  for (auto* job : held.mapped()) enqueue(*job);
}

asio::awaitable<void> Worker::Impl::embed_suspects(bool only_fresh) {
  for (;;) {
    std::optional<Suspects> group;
    while (!(group = suspects_.take(only_fresh)) && !over()) co_await changed_->wait();
    if (!group) co_return;
    const auto owner = group->pieces.front().owner();
    for (const auto& piece : group->pieces) ++piece.job->chunks_in_hand;
    const bool hung = group->hung;
    std::optional<Error> failure;
    if (std::exchange(group->tried, true))
      co_await isolate(*group);
    else
      failure = co_await try_soon(group->pieces);
    if (failure) {
      // Its turn comes again, behind those that were not tried yet.
      for (const auto& piece : group->pieces) --piece.job->chunks_in_hand;
      const bool may_blame = suspect_of(Stage::embed, failure->code) != Suspect::dependency;
      if (may_blame) group->failed_before = std::move(failure);
      suspects_.push(std::move(*group));
    } else {
      after_embedding(group->pieces);
    }
    suspects_.done(owner, hung);
    release(owner);
    drop_departed();
    changed_->notify_all();
  }
}

// Once, and not for long: this is to find the innocent.
asio::awaitable<std::optional<Error>> Worker::Impl::try_soon(const std::vector<Piece>& pieces) {
  std::exception_ptr failure;
  try {
    co_await embed_once(pieces, options_->embed_patience);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await throw_if_cancelled();
  if (!failure) co_return std::nullopt;
  co_return error_of(failure);
}

asio::awaitable<void> Worker::Impl::isolate(const Suspects& suspects) {
  const auto& pieces = suspects.pieces;
  const auto step = [&](std::size_t first, std::size_t count) {
    return embed_once(std::span(pieces).subspan(first, count), options_->embed_timeout);
  };
  const auto give_up = [&](std::size_t at, const Error& why) {
    pieces[at].job->refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
  };
  co_await steps_.over(Stage::embed, pieces.size(), pieces.size(), step, give_up,
                       suspects.failed_before);
}

asio::awaitable<void> Worker::Impl::embed_once(std::span<const Piece> pieces,
                                               std::chrono::milliseconds limit) {
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
  Jobs jobs;
  if (deps_.tracer != nullptr)
    for (const auto* piece : wanted)
      if (std::ranges::find(jobs, piece->job) == jobs.end()) jobs.push_back(piece->job);
  StepSpan span(deps_.tracer, "embed", jobs);
  span.set("memseal.chunks", wanted.size());
  const auto start = Clock::now();
  auto found = co_await deps_.embedder.embed(context(limit), std::move(inputs));
  pace_.took(tokens, Clock::now() - start);  // Not of a failure, which says nothing of the pace.
  if (found.size() != wanted.size() || !sound_vectors(found, deps_.embedder.dimension()))
    throw Refused({Errc::internal, "the embedder answered without a sound vector for each chunk"});
  for (std::size_t i = 0; i < found.size(); ++i) wanted[i]->embedding() = std::move(found[i]);
  span.succeeded();
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
