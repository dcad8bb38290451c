#include "adapters/model/gpu_embedder.hpp"

#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/gpu/supervisor.hpp"
#include "adapters/model/schedule/gpu_request.hpp"
#include "adapters/model/schedule/model_pool.hpp"

namespace memseal::model {

namespace {

using Inputs = std::vector<ports::EmbedInput>;

PackedBatch pack(const Checkpoint& model, const Inputs& inputs) {
  PackedBatch batch;
  for (const auto& input : inputs) batch.add(model.sequence_of(input.token_ids));
  return batch;
}

std::vector<ports::Embedding> split(const std::vector<float>& values, std::size_t width) {
  std::vector<ports::Embedding> vectors;
  for (auto at = values.begin(); at != values.end(); at += static_cast<std::ptrdiff_t>(width))
    vectors.emplace_back(at, at + static_cast<std::ptrdiff_t>(width));
  return vectors;
}

}  // namespace

GpuEmbedder::GpuEmbedder(std::shared_ptr<const LoadedModel> model, ModelPool& pool,
                         std::shared_ptr<HostedModel> hosted, std::string why_cpu)
    : model_(std::move(model)),
      pool_(pool.tasks()),
      hosted_(std::move(hosted)),
      cpu_(model_, pool),
      info_(info_with(model_->info, hosted_.get())),
      why_cpu_(std::move(why_cpu)) {}

GpuEmbedder::~GpuEmbedder() = default;

std::size_t GpuEmbedder::dimension() const { return model_->config.hidden; }
const std::string& GpuEmbedder::model_name() const { return model_->info.name; }
const text::WordPiece& GpuEmbedder::tokenizer() const noexcept { return model_->tokenizer; }
std::size_t GpuEmbedder::tokens_max() const noexcept { return model_->info.tokens_max; }

asio::awaitable<std::vector<ports::Embedding>> GpuEmbedder::embed(
    runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) {
  if (inputs.empty()) co_return std::vector<ports::Embedding>();
  if (!hosted_) co_return co_await cpu_.embed(context, std::move(inputs));
  // Shared by the pool's task, which may run after the caller has left, and by the CPU, should it
  // have to answer.
  const auto shared = std::make_shared<const Inputs>(std::move(inputs));
  MakeBatch make = [model = model_, shared](const std::stop_token&) {
    return pack(*model, *shared);
  };
  const auto values =
      co_await try_gpu(pool_, hosted_, Urgency::chunks, context.deadline, std::move(make));
  if (!values) co_return co_await cpu_.embed(context, *shared);
  co_return split(*values, dimension());
}

asio::awaitable<ports::QueryVector> GpuEmbedder::embed_query(runtime::RequestContext context,
                                                             std::string text) {
  if (!hosted_) co_return co_await cpu_.embed_query(context, std::move(text));
  // A copy: the CPU may still need the text.
  MakeBatch make = [model = model_, text](const std::stop_token&) {
    PackedBatch batch;
    batch.add(model->tokenizer.encode_single(text, model->info.tokens_max));
    return batch;
  };
  auto values =
      co_await try_gpu(pool_, hosted_, Urgency::question, context.deadline, std::move(make));
  if (!values) co_return co_await cpu_.embed_query(context, std::move(text));
  co_return ports::QueryVector{std::move(*values)};
}

}  // namespace memseal::model
