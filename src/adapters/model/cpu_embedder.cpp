#include "adapters/model/cpu_embedder.hpp"

#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/schedule/batching.hpp"
#include "adapters/model/schedule/embed_queue.hpp"
#include "adapters/model/schedule/model_pool.hpp"
#include "adapters/model/schedule/parallel.hpp"

#include <cmath>

namespace memseal::model {

namespace {

// A batch of chunks: large enough to run at full speed, small enough to share the pool.
constexpr std::size_t batch_tokens = 1'024;
// Estimates the tokens of a question that no thread has tokenised yet.
constexpr std::size_t question_bytes_a_token = 3;

Refused not_finite(const LoadedModel& model) {
  return Refused({Errc::internal, model.info.name + " gave a vector that is not finite"});
}

/// The data of one call, shared by the threads that work on it.
// Threads write `vectors` without a lock, because each batch has indexes of its own. The size of
// `vectors` is set before they start.
struct Chunks {
  std::shared_ptr<const LoadedModel> model;
  std::vector<ports::EmbedInput> inputs;
  std::vector<std::vector<std::size_t>> batches;
  std::vector<ports::Embedding> vectors;
};

/// False when `should_continue` ended the batch.
bool embed_batch(Chunks& chunks, std::size_t number, const ShouldContinue& should_continue) {
  const auto& indexes = chunks.batches[number];
  PackedBatch batch;
  for (const auto index : indexes)
    batch.add(chunks.model->sequence_of(chunks.inputs[index].token_ids));
  const auto width = chunks.model->config.hidden;
  std::vector<float> out(indexes.size() * width);
  if (!chunks.model->encoder->embed(batch, should_continue, out)) return false;
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(i * width);
    // One number is enough: the last layer norm mixes all numbers of a state.
    if (!std::isfinite(*first)) throw not_finite(*chunks.model);
    chunks.vectors[indexes[i]].assign(first, first + static_cast<std::ptrdiff_t>(width));
  }
  return true;
}

asio::awaitable<std::vector<ports::Embedding>> embed_chunks(PriorityPool& pool,
                                                            std::shared_ptr<Chunks> chunks,
                                                            runtime::Deadline deadline) {
  // Runs on a thread of the pool, perhaps after the caller has left. It shares `chunks`; the pool
  // outlives its threads.
  auto work = [&pool, chunks, deadline](std::stop_token stop) {
    const ShouldContinue should_continue = [&pool, deadline, stop] {
      pool.yield_to_more_urgent_than(Urgency::chunks);
      return !stop.stop_requested() && !deadline.passed();
    };
    const bool done = run_in_parallel(pool, Urgency::chunks, chunks->batches.size(),
                                      [chunks, should_continue](std::size_t number) {
                                        return embed_batch(*chunks, number, should_continue);
                                      });
    if (!done) throw Outage({Errc::timeout, "embedding did not end within the deadline"});
    // No thread writes any more once run_in_parallel() has returned.
    return std::move(chunks->vectors);
  };
  co_return co_await pool.offload(Urgency::chunks, deadline, std::move(work));
}

}  // namespace

CpuEmbedder::CpuEmbedder(std::shared_ptr<const LoadedModel> model, ModelPool& pool)
    : model_(std::move(model)),
      pool_(pool.tasks()),
      questions_(std::make_shared<EmbedQueue>(model_, pool_, Urgency::question)),
      few_chunks_(std::make_shared<EmbedQueue>(model_, pool_, Urgency::chunks)) {}

std::size_t CpuEmbedder::dimension() const { return model_->config.hidden; }
const std::string& CpuEmbedder::model_name() const { return model_->info.name; }
const text::WordPiece& CpuEmbedder::tokenizer() const noexcept { return model_->tokenizer; }
std::size_t CpuEmbedder::tokens_max() const noexcept { return model_->info.tokens_max; }
const ModelInfo& CpuEmbedder::info() const noexcept { return model_->info; }

asio::awaitable<std::vector<ports::Embedding>> CpuEmbedder::embed(
    runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) {
  if (inputs.empty()) co_return std::vector<ports::Embedding>();
  std::vector<std::size_t> lengths;
  std::size_t tokens = 0;
  for (const auto& input : inputs) {
    lengths.push_back(std::min(input.token_ids.size() + 2, model_->info.tokens_max));
    tokens += lengths.back();
  }
  // A small call joins others in one batch, because a batch reads the weights once. A large one
  // fills batches by itself.
  if (tokens <= joined_tokens) {
    auto call = std::make_shared<EmbedCall>();
    for (const auto& input : inputs)
      call->sequences.push_back(model_->sequence_of(input.token_ids));
    call->tokens = tokens;
    call->deadline = context.deadline;
    co_return co_await few_chunks_->embed(std::move(call));
  }
  auto chunks = std::make_shared<Chunks>();
  chunks->model = model_;
  chunks->vectors.resize(inputs.size());
  chunks->inputs = std::move(inputs);
  chunks->batches = plan_batches(lengths, batch_tokens);
  co_return co_await embed_chunks(pool_, std::move(chunks), context.deadline);
}

asio::awaitable<ports::QueryVector> CpuEmbedder::embed_query(runtime::RequestContext context,
                                                             std::string text) {
  auto call = std::make_shared<EmbedCall>();
  // An estimate is enough: it only decides how many questions share a batch.
  call->tokens = std::min(2 + text.size() / question_bytes_a_token, model_->info.tokens_max);
  call->question = std::move(text);
  call->deadline = context.deadline;
  auto vectors = co_await questions_->embed(std::move(call));
  co_return ports::QueryVector{std::move(vectors.front())};
}

}  // namespace memseal::model
