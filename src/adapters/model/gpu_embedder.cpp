#include "adapters/model/gpu_embedder.hpp"

#include "adapters/model/gpu/supervisor.hpp"
#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/schedule/gpu_request.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::model {

namespace {

using Inputs = std::vector<ports::EmbedInput>;

PackedBatch pack(const LoadedModel& model, const Inputs& inputs) {
  PackedBatch batch;
  std::vector<std::int32_t> ids;
  for (const auto& input : inputs) {
    const auto kept = std::min(input.token_ids.size(), model.info.tokens_max - 2);
    ids.assign(1, model.words.cls_id());
    ids.insert(ids.end(), input.token_ids.begin(),
               input.token_ids.begin() + static_cast<std::ptrdiff_t>(kept));
    ids.push_back(model.words.sep_id());
    batch.add(ids);
  }
  return batch;
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

std::vector<ports::Embedding> split(const std::vector<float>& values, std::size_t width) {
  std::vector<ports::Embedding> vectors;
  for (auto at = values.begin(); at != values.end(); at += static_cast<std::ptrdiff_t>(width))
    vectors.emplace_back(at, at + static_cast<std::ptrdiff_t>(width));
  return vectors;
}

}  // namespace

DeviceEmbedder::DeviceEmbedder(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu,
                               std::shared_ptr<DeviceSeat> seat, std::string why_cpu)
    : model_(std::move(model)), lane_(asio::use_service<CpuLane>(cpu)), seat_(std::move(seat)),
      cpu_(model_, cpu), info_(info_with(model_->info, seat_.get())),
      why_cpu_(std::move(why_cpu)) {}

DeviceEmbedder::~DeviceEmbedder() = default;

std::size_t DeviceEmbedder::dimension() const { return model_->config.hidden; }
const std::string& DeviceEmbedder::model_name() const { return model_->info.name; }
const text::WordPiece& DeviceEmbedder::words() const noexcept { return model_->words; }
std::size_t DeviceEmbedder::tokens_max() const noexcept { return model_->info.tokens_max; }

asio::awaitable<std::vector<ports::Embedding>> DeviceEmbedder::embed(
    runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) {
  if (inputs.empty()) co_return std::vector<ports::Embedding>();
  if (!seat_) co_return co_await cpu_.embed(context, std::move(inputs));
  const auto shared = std::make_shared<const Inputs>(std::move(inputs));
  MakeBatch make = [model = model_, shared](const std::stop_token&) {
    return pack(*model, *shared);
  };
  DeviceAnswer answer{{}, true};
  if (seat_->is_on())
    answer = co_await ask_device(lane_, seat_, Urgency::chunks, context.deadline, std::move(make));
  seat_->publish();
  // What is too great for fp16 may be none too great for the CPU.
  if (answer.failed || !all_finite(answer.values)) {
    seat_->fell_back();
    co_return co_await cpu_.embed(context, *shared);
  }
  co_return split(answer.values, dimension());
}

asio::awaitable<ports::QueryVector> DeviceEmbedder::embed_query(runtime::RequestContext context,
                                                                std::string text) {
  if (!seat_) co_return co_await cpu_.embed_query(context, std::move(text));
  MakeBatch make = [model = model_, text](const std::stop_token&) {
    PackedBatch batch;
    batch.add(model->words.encode_single(text, model->info.tokens_max));
    return batch;
  };
  DeviceAnswer answer{{}, true};
  if (seat_->is_on())
    answer =
        co_await ask_device(lane_, seat_, Urgency::question, context.deadline, std::move(make));
  seat_->publish();
  // What is too great for fp16 may be none too great for the CPU.
  if (answer.failed || !all_finite(answer.values)) {
    seat_->fell_back();
    co_return co_await cpu_.embed_query(context, std::move(text));
  }
  co_return ports::QueryVector{std::move(answer.values)};
}

}  // namespace memseal::model
