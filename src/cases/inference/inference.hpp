#pragma once
// The models by themselves: texts ranked or embedded for a client, without any of its memory.
#include "cases/query/answer.hpp"

#include <string>
#include <vector>

namespace memseal::query {

/// Raw logits of the first `texts`, in their order: all of them, or, when the deadline comes first,
/// as many as it allowed and at least one. The reranker is asked for limits::candidates_max texts
/// at a time, so that queries get their turn in between. The breaker is heeded, and hears of
/// failures and of a probe that was answered; how long a call took is the client's own choice.
/// Throws Refused{no_model} when there is no reranker or it is switched off, Outage{overloaded}
/// while the breaker is open, Outage{timeout} when nothing was ranked by the deadline, and what the
/// reranker throws.
asio::awaitable<std::vector<float>> rank_texts(Parts& parts, runtime::RequestContext context,
                                               std::string query, std::vector<std::string> texts);

struct Embedded {
  std::vector<ports::Embedding> vectors;  ///< one per text, L2 norm 1, finite
  std::size_t tokens = 0;                 ///< that the model read, [CLS] and [SEP] included
};

/// Embeds each of `texts` as a chunk is embedded, cut on the right to limits::chunk_tokens_max
/// tokens. Throws Refused{no_model} where Parts has no words, and what the embedder throws.
asio::awaitable<Embedded> embed_texts(Parts& parts, runtime::RequestContext context,
                                      std::vector<std::string> texts);

}  // namespace memseal::query
