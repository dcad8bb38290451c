#include "adapters/model/cpu_embedder.hpp"

#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/schedule/batching.hpp"
#include "adapters/model/schedule/embed_queue.hpp"
#include "adapters/model/schedule/parallel.hpp"
#include "adapters/model/schedule/priority_pool.hpp"

#include <cmath>

namespace memseal::model {

namespace {

// A batch of chunks: large enough to run at full speed, small enough to share the pool.
constexpr std::size_t batch_tokens = 1'024;
// To say about how many tokens a question has, before a thread has read it.
constexpr std::size_t question_bytes_a_token = 3;

Refused not_finite(const LoadedModel& model) {
  return Refused({Errc::internal, model.info.name + " gave a vector that is not finite"});
}

/// Everything one call works on, shared by the threads that work on it.
struct Chunks {
  std::shared_ptr<const LoadedModel> model;
  std::vector<ports::EmbedInput> inputs;
  std::vector<std::vector<std::size_t>> batches;
  std::vector<ports::Embedding> vectors;
};

/// [CLS] … [SEP], cut to what the model reads.
std::vector<std::int32_t> sequence_of(const LoadedModel& model, const ports::EmbedInput& input) {
  const auto kept = std::min(input.token_ids.size(), model.info.tokens_max - 2);
  std::vector<std::int32_t> ids{model.words.cls_id()};
  ids.reserve(kept + 2);
  ids.insert(ids.end(), input.token_ids.begin(),
             input.token_ids.begin() + static_cast<std::ptrdiff_t>(kept));
  ids.push_back(model.words.sep_id());
  return ids;
}

/// False when it was ended by `go_on`.
bool embed_batch(Chunks& chunks, std::size_t number, const GoOn& go_on) {
  const auto& indexes = chunks.batches[number];
  PackedBatch batch;
  for (const auto index : indexes) batch.add(sequence_of(*chunks.model, chunks.inputs[index]));
  const auto width = chunks.model->config.hidden;
  std::vector<float> out(indexes.size() * width);
  if (!chunks.model->encoder->embed(batch, go_on, out)) return false;
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(i * width);
    if (!std::isfinite(*first)) throw not_finite(*chunks.model);
    chunks.vectors[indexes[i]].assign(first, first + static_cast<std::ptrdiff_t>(width));
  }
  return true;
}

asio::awaitable<std::vector<ports::Embedding>> embed_chunks(CpuLane& lane,
                                                            std::shared_ptr<Chunks> chunks,
                                                            runtime::Deadline deadline) {
  auto work = [&lane, chunks, deadline](std::stop_token stop) {
    const GoOn go_on = [&lane, deadline, stop] {
      lane.yield_to_more_urgent_than(Urgency::chunks);
      return !stop.stop_requested() && !deadline.passed();
    };
    const bool done = run_in_parallel(
        lane, Urgency::chunks, chunks->batches.size(),
        [chunks, go_on](std::size_t number) { return embed_batch(*chunks, number, go_on); });
    if (!done) throw Outage({Errc::timeout, "embedding did not end within the deadline"});
    return std::move(chunks->vectors);
  };
  co_return co_await lane.offload(Urgency::chunks, deadline, std::move(work));
}

}  // namespace

CpuEmbedder::CpuEmbedder(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu)
    : model_(std::move(model)), lane_(asio::use_service<CpuLane>(cpu)),
      questions_(std::make_shared<EmbedQueue>(model_, lane_, Urgency::question)),
      few_chunks_(std::make_shared<EmbedQueue>(model_, lane_, Urgency::chunks)) {}

std::size_t CpuEmbedder::dimension() const { return model_->config.hidden; }
const std::string& CpuEmbedder::model_name() const { return model_->info.name; }
const text::WordPiece& CpuEmbedder::words() const noexcept { return model_->words; }
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
  if (tokens <= joined_tokens) {
    auto call = std::make_shared<EmbedCall>();
    for (const auto& input : inputs) call->sequences.push_back(sequence_of(*model_, input));
    call->tokens = tokens;
    call->deadline = context.deadline;
    co_return co_await few_chunks_->embed(std::move(call));
  }
  auto chunks = std::make_shared<Chunks>();
  chunks->model = model_;
  chunks->vectors.resize(inputs.size());
  chunks->inputs = std::move(inputs);
  chunks->batches = plan_batches(lengths, batch_tokens);
  co_return co_await embed_chunks(lane_, std::move(chunks), context.deadline);
}

asio::awaitable<ports::QueryVector> CpuEmbedder::embed_query(runtime::RequestContext context,
                                                             std::string text) {
  auto call = std::make_shared<EmbedCall>();
  call->tokens = std::min(2 + text.size() / question_bytes_a_token, model_->info.tokens_max);
  call->question = std::move(text);
  call->deadline = context.deadline;
  auto vectors = co_await questions_->embed(std::move(call));
  co_return ports::QueryVector{std::move(vectors.front())};
}

}  // namespace memseal::model
