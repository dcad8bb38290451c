#include "adapters/model/gpu_reranker.hpp"

#include "adapters/model/gpu/supervisor.hpp"
#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/schedule/batching.hpp"
#include "adapters/model/schedule/gpu_request.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::model {

namespace {

/// One request's texts, alive as long as anybody works on them.
struct Pairs {
  std::shared_ptr<const LoadedModel> model;
  std::string query;
  std::vector<std::string> passages;
};

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

PackedBatch pack(const Pairs& pairs, CpuLane& lane, const std::stop_token& stop) {
  const auto& model = *pairs.model;
  PackedBatch batch;
  for (const auto& passage : pairs.passages) {
    lane.yield_to_more_urgent_than(Urgency::rerank);
    if (stop.stop_requested()) throw Outage({Errc::timeout, "reranking was abandoned"});
    const auto pair = model.words.encode_pair(pairs.query, passage, model.info.tokens_max);
    batch.add(pair.ids, pair.segment_b);
  }
  return batch;
}

}  // namespace

DeviceReranker::DeviceReranker(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu,
                               std::shared_ptr<DeviceSeat> seat, std::string why_cpu)
    : model_(std::move(model)), lane_(asio::use_service<CpuLane>(cpu)), seat_(std::move(seat)),
      cpu_(model_, cpu), info_(info_with(model_->info, seat_.get())),
      why_cpu_(std::move(why_cpu)) {}

DeviceReranker::~DeviceReranker() = default;

const std::string& DeviceReranker::model_name() const { return model_->info.name; }

asio::awaitable<std::vector<float>> DeviceReranker::score(runtime::RequestContext context,
                                                          std::string query,
                                                          std::vector<std::string> passages) {
  if (passages.empty()) co_return std::vector<float>();
  if (!seat_) co_return co_await cpu_.score(context, std::move(query), std::move(passages));
  const auto pairs =
      std::make_shared<const Pairs>(Pairs{model_, std::move(query), std::move(passages)});
  MakeBatch make = [pairs, &lane = lane_](const std::stop_token& stop) {
    return pack(*pairs, lane, stop);
  };
  DeviceAnswer answer{{}, true};
  if (seat_->is_on())
    answer = co_await ask_device(lane_, seat_, Urgency::rerank, context.deadline, std::move(make));
  seat_->publish();
  // What is too great for fp16 may be none too great for the CPU.
  if (answer.failed || !all_finite(answer.values)) {
    seat_->fell_back();
    co_return co_await cpu_.score(context, pairs->query, pairs->passages);
  }
  co_return std::move(answer.values);
}

}  // namespace memseal::model
