#pragma once
#include "cases/query/answer.hpp"

namespace memseal::query {

/// An opened candidate, and which question it is nearest to.
struct Candidate {
  crypto::Passage passage;
  std::size_t question = 0;
};

struct Ranking {
  std::vector<std::size_t> order;            ///< indexes into the candidates, best first
  std::vector<std::optional<float>> logits;  ///< one a candidate; empty: not ranked
  std::size_t ranked = 0;                    ///< how many are
  Fallback fallback = Fallback::none;
  StageStatus status = StageStatus::ok;
};

/// Ranks candidates, or keeps their order and says why. Throws only when the caller was cancelled.
asio::awaitable<Ranking> rank_or_keep(rerank::RerankDeps& reranking,
                                      const runtime::RequestContext& context,
                                      const Question& question,
                                      const std::vector<Candidate>& candidates);

}  // namespace memseal::query
