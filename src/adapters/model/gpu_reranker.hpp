#pragma once
#include "adapters/model/cpu_reranker.hpp"
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/reranker.hpp"

#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <string>

namespace memseal::model {

class DeviceSeat;

/// A BERT cross-encoder on a GPU, with its CPU twin beside. All passages of a call go in one batch,
/// which calls that wait at the same time share. Whenever the GPU is off, or fails in the middle of
/// a call, or gives a number that is not finite, the twin answers that call in what is left of its
/// time (nothing, when the GPU hung until the deadline): callers see CpuReranker's
/// contract, errors included. No thread waits for the GPU.
/// Made by open_reranker(). Any coroutine on a single-threaded executor or a strand may call it.
/// Lifetime: the pool outlives it, and it outlives its calls.
class DeviceReranker final : public ports::Reranker {
 public:
  /// Without a seat it is its CPU twin alone, and `why_cpu` says why.
  DeviceReranker(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu,
                 std::shared_ptr<DeviceSeat> seat, std::string why_cpu = {});
  ~DeviceReranker() override;

  const std::string& model_name() const override;
  asio::awaitable<std::vector<float>> score(runtime::RequestContext context, std::string query,
                                            std::vector<std::string> passages) override;

  /// What computes it while nothing fails.
  const ModelInfo& info() const noexcept { return info_; }
  /// What of the model keeps it off the GPU that there is; empty: nothing.
  const std::string& why_cpu() const noexcept { return why_cpu_; }

 private:
  std::shared_ptr<const LoadedModel> model_;
  CpuLane& lane_;
  std::shared_ptr<DeviceSeat> seat_;
  CpuReranker cpu_;
  ModelInfo info_;
  std::string why_cpu_;
};

}  // namespace memseal::model
