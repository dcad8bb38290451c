#pragma once
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/reranker.hpp"

#include <boost/asio/thread_pool.hpp>

#include <memory>

namespace memseal::model {

namespace asio = boost::asio;

class CpuLane;
struct LoadedModel;

/// A BERT cross-encoder on the CPU: pooler, classifier, raw logits.
/// Made by load_reranker(). Any coroutine on a single-threaded executor or a strand may call it;
/// the work runs on the pool, on as many threads as are idle, before all chunks and after questions
/// (CpuEmbedder). The deadline is looked at every few milliseconds of work. Shortly before it (an
/// eighth of the time given, at most 50 ms) the scores of the first passages are handed over, up to
/// the first one that is not finished; none at all is Outage{timeout}, and the caller resumes at
/// the deadline even when no thread was free.
/// Lifetime: as CpuEmbedder.
class CpuReranker final : public ports::Reranker {
 public:
  CpuReranker(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu);

  const std::string& model_name() const override;
  asio::awaitable<std::vector<float>> score(runtime::RequestContext context, std::string query,
                                            std::vector<std::string> passages) override;

  const ModelInfo& info() const noexcept;

 private:
  std::shared_ptr<const LoadedModel> model_;
  CpuLane& lane_;
};

}  // namespace memseal::model
