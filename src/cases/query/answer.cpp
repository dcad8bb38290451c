#include "cases/query/answer.hpp"

#include "cases/query/rerank.hpp"

#include "pure/policy/breaker.hpp"
#include "runtime/log.hpp"

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

/// Measures one stage and tells the metrics and the sink.
struct StageClock {
  Clock::time_point start = Clock::now();
  Clock::duration took{};

  void stop(runtime::Histogram& histogram) {
    took = Clock::now() - start;
    histogram.Observe(std::chrono::duration<double>(took).count());
  }
};

/// Opens what was found, in its order. Keys are few (generations of one tenant), passages are not.
class Opener {
 public:
  Opener(Parts& parts, const runtime::RequestContext& context, const crypto::Tenant& who)
      : parts_(parts), context_(context), who_(who) {}

  asio::awaitable<std::vector<crypto::Passage>> open_all(
      std::vector<crypto::SealedCandidate> found) {
    std::vector<crypto::Passage> passages;
    passages.reserve(found.size());
    for (auto& candidate : found) {
      const auto id = candidate.id;
      const auto key_id = crypto::Sealer::key_id_of(candidate.text_cipher);
      if (!key_id) {
        refuse(parts_.probe.open_not_a_blob, "not_a_blob", id);
        continue;
      }
      const auto key = co_await key_of(*key_id);
      if (!key) {
        refuse(parts_.probe.open_key_missing, "key_missing", id);
        continue;
      }
      auto passage = crypto::Sealer::open(who_, *key, std::move(candidate));
      if (!passage) {
        parts_.probe.cross_tenant_decrypt_attempts.Increment();
        refuse(parts_.probe.open_not_authentic, "not_authentic", id);
        continue;
      }
      passages.push_back(std::move(*passage));
    }
    co_return passages;
  }

 private:
  asio::awaitable<ports::TenantKeyPtr> key_of(std::uint32_t key_id) {
    if (const auto known = keys_.find(key_id); known != keys_.end()) co_return known->second;
    auto key = co_await parts_.keys.opening_key(context_, who_, key_id);
    keys_.emplace(key_id, key);
    co_return key;
  }

  void refuse(runtime::Counter& counter, const char* cause, const Uuid& chunk) {
    counter.Increment();
    runtime::log(LogLevel::error, "open_failed",
                 {{"request_id", context_.id}, {"cause", cause},
                  {"user_hash", who_.hash().prefix()}, {"chunk", chunk.to_string()}});
  }

  Parts& parts_;
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
  for (const auto& passage : passages) texts.push_back(passage.text());
  return texts;
}

/// Why no model is asked, or Fallback::none.
Fallback reason_to_skip(const Parts& parts, const wire::QueryRequest& request) {
  if (!request.rerank) return Fallback::not_requested;
  if (!parts.flags.rerank_enabled.load(std::memory_order_relaxed)) return Fallback::disabled;
  if (parts.reranker == nullptr) return Fallback::no_model;
  return parts.breaker.allows(Clock::now()) ? Fallback::none : Fallback::breaker_open;
}

/// Scores `passages`, or says why there are no scores. Throws only when the caller was cancelled.
asio::awaitable<Ranking> score(Parts& parts, const runtime::RequestContext& context,
                               const wire::QueryRequest& request,
                               const std::vector<crypto::Passage>& passages) {
  const auto budget = std::min(parts.rerank_budget, context.deadline.left());
  auto scored = co_await ask_reranker(parts, context, budget, request.query, texts_of(passages));
  // A part of the scores is an answer: the breaker judges it by its time alone.
  record_verdict(parts, scored.took, scored.fallback == Fallback::none);
  Ranking ranking;
  ranking.fallback = scored.fallback;
  ranking.logits = std::move(scored.logits);
  if (ranking.fallback != Fallback::none)
    ranking.status = StageStatus::failed_open;
  else if (ranking.logits.size() < passages.size())
    parts.probe.rerank_partial.Increment();
  co_return ranking;
}

asio::awaitable<Ranking> rank_or_keep(Parts& parts, const runtime::RequestContext& context,
                                      const wire::QueryRequest& request,
                                      const std::vector<crypto::Passage>& passages) {
  Ranking ranking;
  if (passages.empty()) {
    ranking.status = StageStatus::skipped;
  } else if (const auto reason = reason_to_skip(parts, request); reason != Fallback::none) {
    ranking.fallback = reason;
    ranking.status = StageStatus::skipped;
  } else {
    ranking = co_await score(parts, context, request, passages);
  }
  ranking.order.resize(passages.size());
  std::iota(ranking.order.begin(), ranking.order.end(), std::size_t{0});
  // What was not ranked keeps its order behind what was.
  const auto ranked = ranking.order.begin() + static_cast<std::ptrdiff_t>(ranking.logits.size());
  std::stable_sort(ranking.order.begin(), ranked,
                   [&](auto a, auto b) { return ranking.logits[a] > ranking.logits[b]; });
  co_return ranking;
}

float sigmoid(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

asio::awaitable<std::size_t> send_best(Parts& parts, const Ranking& ranking,
                                       const std::vector<crypto::Passage>& passages,
                                       std::size_t top_k, Clock::time_point start,
                                       ResultSink& out) {
  const auto count = std::min(top_k, passages.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto index = ranking.order[i];
    const auto& passage = passages[index];
    Hit hit{.rank = i + 1, .score = 1 - passage.distance(), .rerank_score = {}, .passage = passage};
    if (index < ranking.logits.size()) {
      hit.rerank_score = ranking.logits[index];
      hit.score = sigmoid(ranking.logits[index]);
    }
    co_await out.result(hit);
    if (i == 0) parts.probe.ttfv.Observe(seconds_since(start));
    parts.probe.results.Increment();
  }
  co_return count;
}

asio::awaitable<Summary> run(Parts& parts, runtime::RequestContext context, crypto::Tenant who,
                             wire::QueryRequest request, ResultSink& out) {
  const auto start = Clock::now();
  Summary summary;

  StageClock embed;
  auto question = co_await parts.embedder.embed_query(context, request.query);
  embed.stop(parts.probe.embed);
  co_await out.stage({Stage::embed, StageStatus::ok, embed.took, 1});

  StageClock search;
  ports::SearchFilter filter{request.source, request.tags, request.doc_ids};
  auto found = co_await parts.search.nearest(context, who, std::move(question),
                                             request.candidates, std::move(filter));
  search.stop(parts.probe.search);
  summary.candidates = found.size();
  co_await out.stage({Stage::search, StageStatus::ok, search.took, found.size()});

  StageClock open;
  const auto passages = co_await Opener(parts, context, who).open_all(std::move(found));
  open.stop(parts.probe.open);
  summary.opened = passages.size();
  co_await out.stage({Stage::open, StageStatus::ok, open.took, passages.size()});

  StageClock rerank;
  const auto ranking = co_await rank_or_keep(parts, context, request, passages);
  if (ranking.status != StageStatus::skipped) rerank.stop(parts.probe.rerank);
  parts.probe.fallbacks(ranking.fallback).Increment();
  co_await out.stage({Stage::rerank, ranking.status, rerank.took, ranking.logits.size()});

  summary.count = co_await send_best(parts, ranking, passages, request.top_k, start, out);
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

asio::awaitable<Summary> answer(Parts& parts, runtime::RequestContext context, crypto::Tenant who,
                                wire::QueryRequest request, ResultSink& out) {
  std::exception_ptr failure;
  try {
    const auto summary =
        co_await run(parts, std::move(context), who, std::move(request), out);
    parts.probe.duration.Observe(std::chrono::duration<double>(summary.timings.total).count());
    parts.probe.answered.Increment();
    co_return summary;
  } catch (...) {
    failure = std::current_exception();
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  const bool cancelled = state.cancelled() != asio::cancellation_type::none;
  (cancelled ? parts.probe.cancelled : parts.probe.failed).Increment();
  std::rethrow_exception(failure);
}

}  // namespace memseal::query
