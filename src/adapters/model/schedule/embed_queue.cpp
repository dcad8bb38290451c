#include "adapters/model/schedule/embed_queue.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::model {

namespace {

/// Marks the call as left when the caller's wait ends, by an answer, a throw or a cancellation.
struct Leaving {
  std::shared_ptr<EmbedCall> call;
  ~Leaving() { call->left = true; }
};

Error too_late() { return {Errc::timeout, "embedding did not end within the deadline"}; }

}  // namespace

asio::awaitable<std::vector<ports::Embedding>> EmbedQueue::embed(std::shared_ptr<EmbedCall> call) {
  // Lives in the coroutine's frame, so destroying the frame also marks the call.
  const Leaving leaving{call};
  auto submit = [this, call](auto task) {
    // std::function needs a copyable callable, and the task is move-only.
    auto shared = std::make_shared<decltype(task)>(std::move(task));
    enter({call, [shared] { (*shared)(); }});
  };
  // Runs after the batch, on the thread that computed it, so it needs no lock.
  auto outcome = [call](std::stop_token) {
    if (call->failure) throw_failure(*call->failure);
    return std::move(call->vectors);
  };
  co_return co_await pool_.offload_by(std::move(submit), call->deadline, std::move(outcome));
}

void EmbedQueue::enter(Waiting waiting) {
  {
    const std::lock_guard lock(guard_);
    waiting_.push_back(std::move(waiting));
  }
  // One task for each call. It finds nothing to do if an earlier batch has taken the call.
  pool_.post(urgency_, [self = shared_from_this()] { self->run(); });
}

std::vector<EmbedQueue::Waiting> EmbedQueue::next_batch() {
  std::vector<Waiting> batch;
  std::size_t tokens = 0;
  const std::lock_guard lock(guard_);
  while (!waiting_.empty()) {
    auto& next = waiting_.front();
    if (!next.call->wanted()) {
      // Settled with the batch, because a caller that has not left waits for an answer.
      next.call->failure = too_late();
    } else {
      tokens += next.call->tokens;
      // The first call always goes, however long it is.
      if (tokens > joined_tokens && tokens != next.call->tokens) break;
    }
    batch.push_back(std::move(next));
    waiting_.pop_front();
  }
  return batch;
}

void EmbedQueue::run() {
  const auto batch = next_batch();
  std::optional<Error> failure;
  try {
    compute(batch);
  } catch (const Failure& failed) {
    failure = failed.error();
  } catch (const std::exception& thrown) {
    failure = Error{Errc::internal, model_->info.name + ": " + thrown.what()};
  }
  for (const auto& one : batch)
    if (failure && !one.call->failure) one.call->failure = failure;
  // After all failures are set and without the lock: settle() resumes callers, whose data must be
  // complete.
  for (const auto& one : batch) one.settle();
}

void EmbedQueue::compute(const std::vector<Waiting>& waiting) const {
  std::vector<EmbedCall*> calls;
  PackedBatch batch;
  for (const auto& one : waiting) {
    auto& call = *one.call;
    if (call.failure) continue;
    if (call.sequences.empty())
      call.sequences.push_back(
          model_->tokenizer.encode_single(call.question, model_->info.tokens_max));
    for (const auto& sequence : call.sequences) batch.add(sequence);
    calls.push_back(&call);
  }
  if (calls.empty()) return;
  const ShouldContinue should_continue = [&] {
    pool_.yield_to_more_urgent_than(urgency_);
    // One caller that still waits is enough to go on.
    return std::any_of(calls.begin(), calls.end(), [](const auto* call) { return call->wanted(); });
  };
  const auto width = model_->config.hidden;
  std::vector<float> out(batch.size() * width);
  if (!model_->encoder->embed(batch, should_continue, out)) throw Outage(too_late());
  const float* from = out.data();
  for (auto* call : calls) {
    for (std::size_t i = 0; i < call->sequences.size(); ++i, from += width) {
      // One number is enough, because the last layer norm mixes all numbers of a state.
      if (!std::isfinite(*from))
        call->failure =
            Error{Errc::internal, model_->info.name + " gave a vector that is not finite"};
      call->vectors.emplace_back(from, from + width);
    }
  }
}

}  // namespace memseal::model
