#include "cases/query/internal/ranking.hpp"

#include "pure/policy/breaker.hpp"
#include "pure/wire/turn.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace memseal::query {

namespace {

using runtime::Clock;

/// What the model reads of a candidate. A short answer says nothing without its question, so a turn
/// is read with those before it.
std::string text_of(const crypto::Passage& passage) {
  const auto turn = wire::turn_of_meta(passage.meta_json());
  return turn ? turn->window + passage.text() : passage.text();
}

/// Why no model is asked, or Fallback::none.
Fallback reason_to_skip(const rerank::RerankDeps& reranking, const Question& question) {
  if (!question.rerank) return Fallback::not_requested;
  const auto& flags = reranking.flags;
  if (!flags.rerank_enabled.load(std::memory_order_relaxed) ||
      !flags.guard_allows_queries.load(std::memory_order_relaxed))
    return Fallback::disabled;
  if (reranking.reranker == nullptr) return Fallback::no_model;
  // The last question, because allows() may make this query the probe of a half-open breaker. A
  // query that skipped the model afterwards would never report.
  return reranking.breaker.allows(Clock::now()) ? Fallback::none : Fallback::breaker_open;
}

/// Scores the candidates of one question within `budget`.
asio::awaitable<void> score_one(rerank::RerankDeps& reranking,
                                const runtime::RequestContext& context, const Question& question,
                                std::size_t which, Clock::duration budget,
                                const std::vector<Candidate>& candidates, Ranking& ranking) {
  std::vector<std::size_t> places;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].question != which) continue;
    places.push_back(i);
    texts.push_back(text_of(candidates[i].passage));
  }
  if (texts.empty()) co_return;
  const auto& text = which == 0 ? question.text : question.further[which - 1];
  auto scored = co_await ask_reranker(reranking, context, budget, text, std::move(texts));
  // Scores of some passages only are a success, which the breaker judges by its time.
  record_outcome(reranking, scored);
  if (scored.fallback != Fallback::none) ranking.fallback = scored.fallback;
  for (std::size_t i = 0; i < scored.logits.size(); ++i)
    ranking.logits[places[i]] = scored.logits[i];
  ranking.ranked += scored.logits.size();
}

/// Scores the candidates, or says why there are no scores.
asio::awaitable<void> score(rerank::RerankDeps& reranking, const runtime::RequestContext& context,
                            const Question& question, const std::vector<Candidate>& candidates,
                            Ranking& ranking) {
  // What the earlier stages used up is gone, so the budget may be shorter than configured.
  // record_outcome() then blames no reranker for a timeout. Several questions share it.
  const auto deadline = context.deadline.within(reranking.budget);
  for (std::size_t which = 0; which <= question.further.size(); ++which) {
    if (ranking.fallback != Fallback::none) break;
    co_await score_one(reranking, context, question, which, deadline.left(), candidates, ranking);
  }
  if (ranking.ranked > 0) ranking.fallback = Fallback::none;
  if (ranking.fallback != Fallback::none)
    ranking.status = StageStatus::failed_open;
  else if (ranking.ranked < candidates.size())
    reranking.metrics.partial.Increment();
}

}  // namespace

asio::awaitable<Ranking> rank_or_keep(rerank::RerankDeps& reranking,
                                      const runtime::RequestContext& context,
                                      const Question& question,
                                      const std::vector<Candidate>& candidates) {
  Ranking ranking;
  ranking.logits.resize(candidates.size());
  if (candidates.empty()) {
    ranking.status = StageStatus::skipped;
  } else if (const auto reason = reason_to_skip(reranking, question); reason != Fallback::none) {
    ranking.fallback = reason;
    ranking.status = StageStatus::skipped;
  } else {
    co_await score(reranking, context, question, candidates, ranking);
  }
  ranking.order.resize(candidates.size());
  std::iota(ranking.order.begin(), ranking.order.end(), std::size_t{0});
  // Stable, so that equal scores keep the order of the search, and so do those without a score,
  // which follow.
  std::stable_sort(ranking.order.begin(), ranking.order.end(), [&](auto a, auto b) {
    const auto& x = ranking.logits[a];
    const auto& y = ranking.logits[b];
    return x && (!y || *x > *y);
  });
  co_return ranking;
}

}  // namespace memseal::query
