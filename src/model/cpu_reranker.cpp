#include "memseal/model/cpu_reranker.hpp"

#include "batching.hpp"
#include "cpu_lane.hpp"
#include "loaded_model.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::model {

namespace {

/// One request. Owns its texts, so that they live exactly as long as the work on them.
struct Pairs {
  std::shared_ptr<const LoadedModel> model;
  std::string query;
  std::vector<std::string> passages;
};

std::vector<float> score_pairs(const Pairs& pairs, const GoOn& go_on) {
  const auto& model = *pairs.model;
  const Outage late({Errc::timeout, "reranking did not end within the deadline"});
  std::vector<text::TokenPair> inputs;
  std::vector<std::size_t> lengths;
  for (const auto& passage : pairs.passages) {
    if (!go_on()) throw late;
    inputs.push_back(model.words.encode_pair(pairs.query, passage, model.info.tokens_max));
    lengths.push_back(inputs.back().ids.size());
  }
  // Neighbours in length share a group of rows; one batch, so that the head runs once.
  PackedBatch batch;
  const auto order = plan_batches(lengths, static_cast<std::size_t>(-1)).front();
  for (const auto index : order) batch.add(inputs[index].ids, inputs[index].segment_b);
  std::vector<float> logits(order.size()), scores(order.size());
  if (!model.encoder->score(batch, go_on, logits)) throw late;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (!std::isfinite(logits[i]))
      throw Outage({Errc::internal, model.info.name + " gave a score that is not finite"});
    scores[order[i]] = logits[i];
  }
  return scores;
}

asio::awaitable<std::vector<float>> offload_score(CpuLane& lane, Pairs pairs,
                                                  runtime::Deadline deadline) {
  auto work = [&lane, pairs = std::move(pairs), deadline](std::stop_token stop) {
    return score_pairs(pairs, [&] {
      lane.yield_to_more_urgent_than(Urgency::rerank);
      return !stop.stop_requested() && !deadline.passed();
    });
  };
  co_return co_await lane.offload(Urgency::rerank, deadline, std::move(work));
}

}  // namespace

CpuReranker::CpuReranker(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu)
    : model_(std::move(model)), lane_(asio::use_service<CpuLane>(cpu)) {}

const std::string& CpuReranker::model_name() const { return model_->info.name; }
const ModelInfo& CpuReranker::info() const noexcept { return model_->info; }

asio::awaitable<std::vector<float>> CpuReranker::score(runtime::RequestContext context,
                                                       std::string query,
                                                       std::vector<std::string> passages) {
  if (passages.empty()) co_return std::vector<float>();
  Pairs pairs{model_, std::move(query), std::move(passages)};
  co_return co_await offload_score(lane_, std::move(pairs), context.deadline);
}

}  // namespace memseal::model
