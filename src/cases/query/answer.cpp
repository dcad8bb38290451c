#include "cases/query/answer.hpp"

#include "pure/policy/breaker.hpp"
#include "pure/wire/turn.hpp"
#include "runtime/log.hpp"
#include "runtime/observe.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace memseal::query {

namespace {

using runtime::Clock;
using runtime::LogLevel;

/// Measures one stage for the metrics and the sink.
struct StageClock {
  Clock::time_point start = Clock::now();
  Clock::duration took{};

  void stop(runtime::Histogram& histogram) { took = runtime::observe_since(histogram, start); }
};

/// Opens candidates in their order. Caches the keys, because all passages of a tenant share a few
/// generations. A row that does not open is left out and counted, because one damaged row must not
/// hide the others.
class Opener {
 public:
  Opener(QueryDeps& deps, const runtime::RequestContext& context, const crypto::Tenant& who)
      : deps_(deps), context_(context), who_(who) {}

  asio::awaitable<std::vector<crypto::Passage>> open_all(
      std::vector<crypto::SealedCandidate> found) {
    std::vector<crypto::Passage> passages;
    passages.reserve(found.size());
    for (auto& candidate : found) {
      const auto id = candidate.id;
      const auto key_id = crypto::Sealer::key_id_of(candidate.text_cipher);
      if (!key_id) {
        refuse(deps_.metrics.open_not_a_blob, "not_a_blob", id);
        continue;
      }
      const auto key = co_await key_of(*key_id);
      if (!key) {
        refuse(deps_.metrics.open_key_missing, "key_missing", id);
        continue;
      }
      auto passage = crypto::Sealer::open(who_, *key, std::move(candidate));
      if (!passage) {
        // Row-level security returns a tenant's own rows only. A row that another key sealed means
        // that isolation in the database has failed, so it has a counter to raise an alarm on.
        deps_.metrics.cross_tenant_decrypt_attempts.Increment();
        refuse(deps_.metrics.open_not_authentic, "not_authentic", id);
        continue;
      }
      passages.push_back(std::move(*passage));
    }
    co_return passages;
  }

 private:
  asio::awaitable<ports::TenantKeyPtr> key_of(std::uint32_t key_id) {
    if (const auto known = keys_.find(key_id); known != keys_.end()) co_return known->second;
    // A key that the tenant does not have is remembered too, as null. Many damaged rows then cost
    // one look-up and not one each.
    auto key = co_await deps_.keys.opening_key(context_, who_, key_id);
    keys_.emplace(key_id, key);
    co_return key;
  }

  void refuse(runtime::Counter& counter, const char* cause, const Uuid& chunk) {
    counter.Increment();
    runtime::log(LogLevel::error, "query.open_failed",
                 {{"request_id", context_.id}, {"cause", cause},
                  {"user_hash", who_.hash().prefix()}, {"chunk", chunk.to_string()}});
  }

  QueryDeps& deps_;
  const runtime::RequestContext& context_;
  const crypto::Tenant& who_;
  std::map<std::uint32_t, ports::TenantKeyPtr> keys_;
};

struct Ranking {
  std::vector<std::size_t> order;         ///< indexes into the passages, best first
  std::vector<float> logits;              ///< of the first passages; empty: search order
  Fallback fallback = Fallback::none;
  StageStatus status = StageStatus::ok;
};

std::vector<std::string> texts_of(const std::vector<crypto::Passage>& passages) {
  std::vector<std::string> texts;
  texts.reserve(passages.size());
  for (const auto& passage : passages) {
    // A short answer says nothing without its question, so a turn is read with those before it.
    const auto turn = wire::turn_of_meta(passage.meta_json());
    texts.push_back(turn ? turn->window + passage.text() : passage.text());
  }
  return texts;
}

/// Why no model is asked, or Fallback::none.
Fallback reason_to_skip(const rerank::RerankDeps& reranking, const Question& question) {
  if (!question.rerank) return Fallback::not_requested;
  if (!reranking.flags.rerank_enabled.load(std::memory_order_relaxed)) return Fallback::disabled;
  if (reranking.reranker == nullptr) return Fallback::no_model;
  // The last question, because allows() may make this query the probe of a half-open breaker. A
  // query that skipped the model afterwards would never report.
  return reranking.breaker.allows(Clock::now()) ? Fallback::none : Fallback::breaker_open;
}

/// Scores `passages`, or says why there are no scores. Throws only when the caller was cancelled.
asio::awaitable<Ranking> score(rerank::RerankDeps& reranking,
                               const runtime::RequestContext& context, const Question& question,
                               const std::vector<crypto::Passage>& passages) {
  // What the earlier stages used up is gone, so the budget may be shorter than configured.
  // record_outcome() then blames no reranker for a timeout.
  const auto budget = std::min(reranking.budget, context.deadline.left());
  auto scored =
      co_await ask_reranker(reranking, context, budget, question.text, texts_of(passages));
  // Scores of some passages only are a success, which the breaker judges by its time.
  record_outcome(reranking, scored);
  Ranking ranking;
  ranking.fallback = scored.fallback;
  ranking.logits = std::move(scored.logits);
  if (ranking.fallback != Fallback::none)
    ranking.status = StageStatus::failed_open;
  else if (ranking.logits.size() < passages.size())
    reranking.metrics.partial.Increment();
  co_return ranking;
}

asio::awaitable<Ranking> rank_or_keep(rerank::RerankDeps& reranking,
                                      const runtime::RequestContext& context,
                                      const Question& question,
                                      const std::vector<crypto::Passage>& passages) {
  Ranking ranking;
  if (passages.empty()) {
    ranking.status = StageStatus::skipped;
  } else if (const auto reason = reason_to_skip(reranking, question); reason != Fallback::none) {
    ranking.fallback = reason;
    ranking.status = StageStatus::skipped;
  } else {
    ranking = co_await score(reranking, context, question, passages);
  }
  ranking.order.resize(passages.size());
  std::iota(ranking.order.begin(), ranking.order.end(), std::size_t{0});
  // Passages that were not ranked follow in search order.
  const auto ranked = ranking.order.begin() + static_cast<std::ptrdiff_t>(ranking.logits.size());
  // Stable, so that equal scores keep the order of the search.
  std::stable_sort(ranking.order.begin(), ranked,
                   [&](auto a, auto b) { return ranking.logits[a] > ranking.logits[b]; });
  co_return ranking;
}

// Monotonic, so that the order by score is the order by logit.
float sigmoid(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

asio::awaitable<std::size_t> send_best(QueryDeps& deps, const Ranking& ranking,
                                       const std::vector<crypto::Passage>& passages,
                                       std::size_t top_k, Clock::time_point start,
                                       ResultSink& out) {
  const auto count = std::min(top_k, passages.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto index = ranking.order[i];
    const auto& passage = passages[index];
    // The distance is the cosine distance, 0 to 2, so this is the cosine.
    Hit hit{.rank = i + 1, .score = 1 - passage.distance(), .rerank_score = {}, .passage = passage};
    if (index < ranking.logits.size()) {
      hit.rerank_score = ranking.logits[index];
      hit.score = sigmoid(ranking.logits[index]);
    }
    co_await out.result(hit);
    // After the sink has written the result, because the metric promises what a client sees.
    if (i == 0) runtime::observe_since(deps.metrics.ttfv, start);
    deps.metrics.results.Increment();
  }
  co_return count;
}

asio::awaitable<Summary> run(QueryDeps& deps, runtime::RequestContext context, crypto::Tenant who,
                             Question question, ResultSink& out) {
  const auto start = Clock::now();
  Summary summary;

  // The reports below have names because of gcc 12: it destroys a temporary of a co_await
  // expression twice.
  StageClock embed;
  auto vector = co_await deps.embedder.embed_query(context, question.text);
  embed.stop(deps.metrics.embed);
  const StageReport embedded{Stage::embed, StageStatus::ok, embed.took, 1};
  co_await out.stage(embedded);

  StageClock search;
  auto found = co_await deps.search.nearest(context, who, std::move(vector), question.candidates,
                                            question.filter);
  search.stop(deps.metrics.search);
  summary.candidates = found.size();
  const StageReport searched{Stage::search, StageStatus::ok, search.took, found.size()};
  co_await out.stage(searched);

  StageClock open;
  const auto passages = co_await Opener(deps, context, who).open_all(std::move(found));
  open.stop(deps.metrics.open);
  summary.opened = passages.size();
  const StageReport opened{Stage::open, StageStatus::ok, open.took, passages.size()};
  co_await out.stage(opened);

  StageClock rerank;
  const auto ranking = co_await rank_or_keep(deps.reranking, context, question, passages);
  if (ranking.status != StageStatus::skipped) rerank.stop(deps.metrics.rerank);
  // Every query counts under one reason, a skipped or reranked one too, so that the share of each
  // reason can be computed.
  deps.reranking.metrics.fallbacks(ranking.fallback).Increment();
  const StageReport reranked{Stage::rerank, ranking.status, rerank.took, ranking.logits.size()};
  co_await out.stage(reranked);

  summary.count = co_await send_best(deps, ranking, passages, question.top_k, start, out);
  summary.reranked = !ranking.logits.empty();
  summary.reranked_count = ranking.logits.size();
  summary.fallback = ranking.fallback;
  summary.timings = {embed.took, search.took, open.took, rerank.took, Clock::now() - start};
  co_return summary;
}

}  // namespace

const char* stage_name(Stage stage) noexcept {
  switch (stage) {
    case Stage::embed: return "embed";
    case Stage::search: return "search";
    case Stage::open: return "open";
    case Stage::rerank: return "rerank";
  }
  return "rerank";
}

const char* stage_status_name(StageStatus status) noexcept {
  switch (status) {
    case StageStatus::ok: return "ok";
    case StageStatus::skipped: return "skipped";
    case StageStatus::failed_open: return "failed_open";
  }
  return "ok";
}

asio::awaitable<Summary> answer(QueryDeps& deps, runtime::RequestContext context,
                                crypto::Tenant who, Question question, ResultSink& out) {
  std::exception_ptr failure;
  try {
    const auto summary =
        co_await run(deps, std::move(context), who, std::move(question), out);
    runtime::observe(deps.metrics.duration, summary.timings.total);
    deps.metrics.answered.Increment();
    co_return summary;
  } catch (...) {
    failure = std::current_exception();
  }
  // Outside the handler, because a handler cannot co_await.
  // A client that disconnects is no failure of the service and must not raise an alarm.
  const auto state = co_await asio::this_coro::cancellation_state;
  const bool cancelled = state.cancelled() != asio::cancellation_type::none;
  (cancelled ? deps.metrics.cancelled : deps.metrics.failed).Increment();
  std::rethrow_exception(failure);
}

}  // namespace memseal::query
