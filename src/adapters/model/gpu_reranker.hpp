#pragma once
#include "adapters/model/cpu_reranker.hpp"
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/reranker.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace memseal::model {

class HostedModel;

/// A BERT cross-encoder on a GPU, with a CpuReranker that answers when the GPU cannot.
/// All passages of a call go in one batch, which calls that wait at the same time share. No thread
/// waits for the GPU.
/// The CPU answers a call, in what is left of its time, when the GPU is off, fails during the call,
/// or gives a number that is not finite. Callers see CpuReranker's contract, errors included.
/// NOTE: a GPU that hangs until the deadline leaves the CPU no time.
/// Made by open_reranker(). Thread: any coroutine on a single-threaded executor or a strand.
/// Lifetime: the pool outlives it, and it outlives its calls.
class GpuReranker final : public ports::Reranker {
 public:
  /// `hosted` may be null: then the CPU computes everything, and `why_cpu` says why.
  GpuReranker(std::shared_ptr<const LoadedModel> model, ModelPool& pool,
              std::shared_ptr<HostedModel> hosted, std::string why_cpu = {});
  ~GpuReranker() override;

  const std::string& model_name() const override;
  asio::awaitable<std::vector<float>> score(runtime::RequestContext context, std::string query,
                                            std::vector<std::string> passages) override;

  /// Names what computes the model while nothing fails.
  const ModelInfo& info() const noexcept { return info_; }
  /// What of the model keeps it off a GPU that is there; empty if nothing does.
  const std::string& why_cpu() const noexcept { return why_cpu_; }

 private:
  std::shared_ptr<const LoadedModel> model_;
  PriorityPool& pool_;
  std::shared_ptr<HostedModel> hosted_;
  CpuReranker cpu_;
  ModelInfo info_;
  std::string why_cpu_;
};

}  // namespace memseal::model
