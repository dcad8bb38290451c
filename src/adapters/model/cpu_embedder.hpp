#pragma once
#include "adapters/model/checkpoint/model_info.hpp"
#include "ports/embedder.hpp"
#include "pure/text/wordpiece.hpp"

#include <boost/asio/thread_pool.hpp>

#include <memory>

namespace memseal::model {

namespace asio = boost::asio;

class CpuLane;
class EmbedQueue;
struct LoadedModel;

/// A BERT bi-encoder on the CPU: mean of all token states, specials included, L2 norm 1.
/// Made by load_embedder(). Any coroutine on a single-threaded executor or a strand may call it;
/// the work runs on the pool, one thread a batch, several batches of one call at once. Questions
/// go before chunks: they are taken up between two layers of a batch of chunks that is running.
/// Questions that wait when a thread takes one up are run with it as one batch of about 512 tokens,
/// and so are calls of few chunks; none waits for others to come, and each keeps its own deadline.
/// Lifetime: the pool outlives it; a call's work that was abandoned keeps what it needs alive.
class CpuEmbedder final : public ports::Embedder {
 public:
  CpuEmbedder(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu);

  std::size_t dimension() const override;
  const std::string& model_name() const override;
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) override;
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext context,
                                                  std::string text) override;

  /// The model's own tokenizer, for the chunker. Lives as long as the embedder.
  const text::WordPiece& words() const noexcept;
  /// Tokens of one input, specials included; embed() cuts longer inputs on the right.
  std::size_t tokens_max() const noexcept;
  const ModelInfo& info() const noexcept;

 private:
  std::shared_ptr<const LoadedModel> model_;
  CpuLane& lane_;
  std::shared_ptr<EmbedQueue> questions_, few_chunks_;
};

}  // namespace memseal::model
