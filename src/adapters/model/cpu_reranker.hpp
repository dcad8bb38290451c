#pragma once
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/reranker.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>

namespace memseal::model {

namespace asio = boost::asio;

class ModelPool;
class PriorityPool;
struct LoadedModel;

/// A BERT cross-encoder on the CPU: pooler, classifier, raw logits.
/// The work runs on the pool, on as many threads as are idle, before all chunks and after questions
/// (CpuEmbedder). The deadline is checked every few milliseconds of work.
/// Shortly before the deadline (an eighth of the time given, at most 50 ms) the call returns the
/// scores of the first passages, up to the first one that is not finished. With no score at all it
/// throws Outage{timeout}. The caller resumes at the deadline even when no thread was free.
/// Thread and lifetime: as CpuEmbedder.
class CpuReranker final : public ports::Reranker {
 public:
  CpuReranker(std::shared_ptr<const LoadedModel> model, ModelPool& pool);

  const std::string& model_name() const override;
  asio::awaitable<std::vector<float>> score(runtime::RequestContext context, std::string query,
                                            std::vector<std::string> passages) override;

  const ModelInfo& info() const noexcept;

 private:
  std::shared_ptr<const LoadedModel> model_;
  PriorityPool& pool_;
};

}  // namespace memseal::model
