#include "adapters/model/gpu_reranker.hpp"

#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/gpu/supervisor.hpp"
#include "adapters/model/schedule/batching.hpp"
#include "adapters/model/schedule/gpu_request.hpp"
#include "adapters/model/schedule/model_pool.hpp"

namespace memseal::model {

namespace {

/// One request's texts, shared with the work on them, which the caller may abandon.
struct Pairs {
  std::shared_ptr<const LoadedModel> model;
  std::string query;
  std::vector<std::string> passages;
};

PackedBatch pack(const Pairs& pairs, PriorityPool& pool, const std::stop_token& stop) {
  const auto& model = *pairs.model;
  PackedBatch batch;
  for (const auto& passage : pairs.passages) {
    // Tokenising many passages takes milliseconds, in which a question must not wait.
    pool.yield_to_more_urgent_than(Urgency::rerank);
    if (stop.stop_requested()) throw Outage({Errc::timeout, "reranking was abandoned"});
    const auto pair = model.tokenizer.encode_pair(pairs.query, passage, model.info.tokens_max);
    batch.add(pair.ids, pair.segment_b);
  }
  return batch;
}

}  // namespace

GpuReranker::GpuReranker(std::shared_ptr<const LoadedModel> model, ModelPool& pool,
                         std::shared_ptr<HostedModel> hosted, std::string why_cpu)
    : model_(std::move(model)),
      pool_(pool.tasks()),
      hosted_(std::move(hosted)),
      cpu_(model_, pool),
      info_(info_with(model_->info, hosted_.get())),
      why_cpu_(std::move(why_cpu)) {}

GpuReranker::~GpuReranker() = default;

const std::string& GpuReranker::model_name() const { return model_->info.name; }

asio::awaitable<std::vector<float>> GpuReranker::score(runtime::RequestContext context,
                                                       std::string query,
                                                       std::vector<std::string> passages) {
  if (passages.empty()) co_return std::vector<float>();
  if (!hosted_) co_return co_await cpu_.score(context, std::move(query), std::move(passages));
  const auto pairs =
      std::make_shared<const Pairs>(Pairs{model_, std::move(query), std::move(passages)});
  MakeBatch make = [pairs, &pool = pool_](const std::stop_token& stop) {
    return pack(*pairs, pool, stop);
  };
  auto scores =
      co_await try_gpu(pool_, hosted_, Urgency::rerank, context.deadline, std::move(make));
  if (!scores) co_return co_await cpu_.score(context, pairs->query, pairs->passages);
  co_return std::move(*scores);
}

}  // namespace memseal::model
