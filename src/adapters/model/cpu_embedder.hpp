#pragma once
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/embedder.hpp"
#include "pure/text/wordpiece.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>

namespace memseal::model {

namespace asio = boost::asio;

class EmbedQueue;
class ModelPool;
class PriorityPool;
struct LoadedModel;

/// A BERT bi-encoder on the CPU: mean of all token states, specials included, L2 norm 1.
/// The work runs on the pool: one thread for each batch, several batches of one call at once.
/// Questions go before chunks: a running batch of chunks lets them in between two layers.
/// Questions that wait for a thread at the same moment form one batch of about 512 tokens, and so
/// do calls of few chunks. No call waits for others, and each keeps its own deadline.
/// Thread: any coroutine on a single-threaded executor or a strand.
/// Lifetime: the pool outlives it. Abandoned work keeps what it needs alive.
class CpuEmbedder final : public ports::Embedder {
 public:
  CpuEmbedder(std::shared_ptr<const LoadedModel> model, ModelPool& pool);

  std::size_t dimension() const override;
  const std::string& model_name() const override;
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) override;
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext context,
                                                  std::string text) override;

  /// The model's own tokenizer, for the chunker. Lifetime: that of the embedder.
  const text::WordPiece& tokenizer() const noexcept;
  /// Most tokens of one input, specials included; embed() cuts longer inputs on the right.
  std::size_t tokens_max() const noexcept;
  const ModelInfo& info() const noexcept;

 private:
  std::shared_ptr<const LoadedModel> model_;
  PriorityPool& pool_;
  std::shared_ptr<EmbedQueue> questions_, few_chunks_;
};

}  // namespace memseal::model
