#pragma once
// The models without any memory: texts of a client are ranked or embedded.
#include "cases/inference/embed_pace.hpp"
#include "cases/rerank/rerank.hpp"
#include "ports/embedder.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace memseal::text {
class WordPiece;
}

namespace memseal::inference {

namespace asio = boost::asio;

/// Of a batch of texts to embed: 1,000 passages of 1,000 characters take two cores some 30 s.
inline constexpr std::chrono::seconds embed_deadline{60};

/// Everything that it refers to must outlive it.
/// Thread: that of one io_context, as RerankDeps.
struct InferenceDeps {
  rerank::RerankDeps& reranking;
  ports::Embedder& embedder;
  const text::WordPiece* tokenizer = nullptr;  ///< the embedder's; null: no texts of clients
  EmbedPace pace = {};
};

/// Throws Refused{no_model} unless there is a reranker that is switched on.
void require_reranker(const InferenceDeps& deps);

struct Ranked {
  std::vector<float> logits;  ///< one per text, in the order of the texts, finite
  std::size_t ranked = 0;     ///< the reranker gave the logits of so many first texts
};

/// Ranks `texts`. When the deadline comes first, only the first texts are ranked, at least one.
/// Every other text then has the lowest logit among those, so that it keeps a place: behind the
/// ranked texts, in the order given. A client that asks for all documents counts on one result for
/// each.
/// The reranker gets limits::candidates_max texts at a time, so that queries get their turn in
/// between. The breaker may refuse the call. It records failures and an answered probe, but not how
/// long a call took, because the client chose the number of texts.
/// Throws Refused{no_model} when there is no reranker or it is switched off, Outage{overloaded}
/// while the breaker is open, Outage{timeout} when nothing was ranked by the deadline, and what the
/// reranker throws.
asio::awaitable<Ranked> rank_texts(InferenceDeps& deps, runtime::RequestContext context,
                                   std::string query, std::vector<std::string> texts);

/// Texts to embed, tokenized. Moves, and is not copied.
struct Batch {
  std::vector<std::vector<ports::EmbedInput>> slices;  ///< one call of the embedder each
  std::size_t texts = 0;
  std::size_t tokens = 0;  ///< that the model reads, [CLS] and [SEP] included
  std::string field;       ///< as given to make_batch()
};

/// Tokenizes `texts` and cuts each on the right to limits::chunk_tokens_max tokens. The work is
/// small beside the model's, so a caller may charge for Batch::tokens before embed_batch().
/// Throws Refused{no_model} without a tokenizer, Refused{payload_too_large} when they cannot be
/// embedded before the deadline, Outage{overloaded} when only others' work keeps them from it.
/// `field`: where the client gave the texts, as Error::field.
asio::awaitable<Batch> make_batch(InferenceDeps& deps, runtime::RequestContext context,
                                  std::vector<std::string> texts, std::string field);

struct Embedded {
  std::vector<ports::Embedding> vectors;  ///< one per text, L2 norm 1, finite
  std::size_t tokens = 0;                 ///< that the model read, [CLS] and [SEP] included
};

/// Embeds the texts of `batch` as chunks are embedded. Throws what make_batch() throws, as soon as
/// it is clear that the deadline will not be met, and what the embedder throws.
asio::awaitable<Embedded> embed_batch(InferenceDeps& deps, runtime::RequestContext context,
                                      Batch batch);

}  // namespace memseal::inference
