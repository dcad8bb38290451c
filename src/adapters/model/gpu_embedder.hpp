#pragma once
#include "adapters/model/cpu_embedder.hpp"
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/embedder.hpp"
#include "pure/text/wordpiece.hpp"

#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <string>

namespace memseal::model {

class DeviceSeat;

/// A BERT bi-encoder on a GPU, with its CPU twin beside; questions go before chunks. As
/// DeviceReranker otherwise. Made by open_embedder().
class DeviceEmbedder final : public ports::Embedder {
 public:
  /// Without a seat it is its CPU twin alone, and `why_cpu` says why.
  DeviceEmbedder(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu,
                 std::shared_ptr<DeviceSeat> seat, std::string why_cpu = {});
  ~DeviceEmbedder() override;

  std::size_t dimension() const override;
  const std::string& model_name() const override;
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) override;
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext context,
                                                  std::string text) override;

  /// As CpuEmbedder's.
  const text::WordPiece& words() const noexcept;
  std::size_t tokens_max() const noexcept;
  /// What computes it while nothing fails.
  const ModelInfo& info() const noexcept { return info_; }
  /// What of the model keeps it off the GPU that there is; empty: nothing.
  const std::string& why_cpu() const noexcept { return why_cpu_; }

 private:
  std::shared_ptr<const LoadedModel> model_;
  CpuLane& lane_;
  std::shared_ptr<DeviceSeat> seat_;
  CpuEmbedder cpu_;
  ModelInfo info_;
  std::string why_cpu_;
};

}  // namespace memseal::model
