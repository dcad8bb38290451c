#pragma once
#include "adapters/model/cpu_embedder.hpp"
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/embedder.hpp"
#include "pure/text/wordpiece.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace memseal::model {

class HostedModel;

/// A BERT bi-encoder on a GPU, with a CpuEmbedder that answers when the GPU cannot. Questions go
/// before chunks. All else as GpuReranker. Made by open_embedder().
class GpuEmbedder final : public ports::Embedder {
 public:
  /// `hosted` may be null: then the CPU computes everything, and `why_cpu` says why.
  GpuEmbedder(std::shared_ptr<const LoadedModel> model, ModelPool& pool,
              std::shared_ptr<HostedModel> hosted, std::string why_cpu = {});
  ~GpuEmbedder() override;

  std::size_t dimension() const override;
  const std::string& model_name() const override;
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) override;
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext context,
                                                  std::string text) override;

  /// As CpuEmbedder's.
  const text::WordPiece& tokenizer() const noexcept;
  std::size_t tokens_max() const noexcept;
  /// Names what computes the model while nothing fails.
  const ModelInfo& info() const noexcept { return info_; }
  /// What of the model keeps it off a GPU that is there; empty if nothing does.
  const std::string& why_cpu() const noexcept { return why_cpu_; }

 private:
  std::shared_ptr<const LoadedModel> model_;
  PriorityPool& pool_;
  std::shared_ptr<HostedModel> hosted_;
  CpuEmbedder cpu_;
  ModelInfo info_;
  std::string why_cpu_;
};

}  // namespace memseal::model
