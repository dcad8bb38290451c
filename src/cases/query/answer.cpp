#include "cases/query/answer.hpp"

#include "cases/query/internal/finding.hpp"
#include "cases/query/internal/ranking.hpp"
#include "runtime/observe.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace memseal::query {

namespace {

using runtime::Clock;

/// Measures one stage for the metrics and the sink.
struct StageClock {
  Clock::time_point start = Clock::now();
  Clock::duration took{};

  void stop(runtime::Histogram& histogram) { took = runtime::observe_since(histogram, start); }
};

// Monotonic, so that the order by score is the order by logit.
float sigmoid(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

void observe_ms(runtime::Histogram& histogram, Clock::time_point start) {
  histogram.Observe(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
}

float score_of(const Candidate& candidate, const std::optional<float>& logit) {
  // The distance is the cosine distance, 0 to 2, so this is the cosine.
  return logit ? sigmoid(*logit) : 1 - candidate.passage.distance();
}

/// What of the candidates is shown, and what is left to the next page.
struct Selection {
  std::vector<std::size_t> shown;  // indexes into the candidates, best first
  std::vector<Uuid> left;
  bool some_too_low = false;  // of Question::min_score
};

Selection select(const Question& question, const Ranking& ranking,
                 const std::vector<Candidate>& candidates) {
  Selection selection;
  for (const auto index : ranking.order) {
    if (question.min_score &&
        score_of(candidates[index], ranking.logits[index]) < *question.min_score)
      selection.some_too_low = true;
    else if (selection.shown.size() < question.top_k)
      selection.shown.push_back(index);
    else
      selection.left.push_back(candidates[index].passage.from().id);
  }
  return selection;
}

/// The next page, if there can be one. An answer to several questions has one page.
std::optional<wire::PageMark> next_page(const Question& question, const Found& found,
                                        const Ranking& ranking, Selection selection) {
  if (!question.further.empty()) return {};
  // In search order what follows is farther away still.
  const bool no_better = selection.some_too_low && ranking.ranked == 0 && !found.hybrid;
  if (selection.left.empty() && (!found.more || no_better)) return {};
  wire::PageMark mark{{}, std::move(selection.left), found.ahead};
  if (found.last) mark.after = wire::PagePlace{found.last->distance, found.last->id};
  return mark;
}

/// The neighbours of one result.
struct Sides {
  std::vector<crypto::Passage> before, after;
};

asio::awaitable<std::map<Uuid, Sides>> expand(QueryDeps& deps,
                                              const runtime::RequestContext& context,
                                              const crypto::Tenant& who, std::size_t each_side,
                                              std::vector<Uuid> chunks, Opener& opener) {
  std::map<Uuid, Sides> expanded;
  if (each_side == 0 || chunks.empty()) co_return expanded;
  auto found = co_await deps.search.neighbours(context, who, std::move(chunks), each_side);
  for (auto& neighbour : found) {
    auto passage = co_await opener.open(std::move(neighbour.chunk));
    if (!passage) continue;
    auto& sides = expanded[neighbour.of];
    (neighbour.before ? sides.before : sides.after).push_back(std::move(*passage));
  }
  co_return expanded;
}

asio::awaitable<void> send(QueryDeps& deps, const Ranking& ranking,
                           const std::vector<Candidate>& candidates,
                           const std::vector<std::size_t>& shown,
                           const std::map<Uuid, Sides>& expanded, Clock::time_point start,
                           ResultSink& out) {
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const auto& candidate = candidates[shown[i]];
    const auto& logit = ranking.logits[shown[i]];
    Hit hit{.rank = i + 1,
            .score = score_of(candidate, logit),
            .rerank_score = logit,
            .passage = candidate.passage,
            .question = candidate.question};
    if (const auto sides = expanded.find(candidate.passage.from().id); sides != expanded.end()) {
      hit.before = sides->second.before;
      hit.after = sides->second.after;
    }
    co_await out.result(hit);
    // After the sink has written the result, because the metric promises what a client sees.
    if (i == 0) runtime::observe_since(deps.metrics.ttfv, start);
    deps.metrics.results.Increment();
  }
}

asio::awaitable<std::vector<ports::QueryVector>> embed_questions(
    QueryDeps& deps, const runtime::RequestContext& context, const Question& question) {
  std::vector<ports::QueryVector> vectors;
  for (std::size_t which = 0; which <= question.further.size(); ++which) {
    const auto& text = which == 0 ? question.text : question.further[which - 1];
    auto vector = co_await deps.embedder.embed_query(context, text);
    // Every distance to it would be NaN, and the order of what is found chance.
    if (!ports::has_direction(vector.values))
      throw Refused({Errc::internal, "the embedder's vector of a question is not usable"});
    vectors.push_back(std::move(vector));
  }
  co_return vectors;
}

/// The candidates that open, in their order.
asio::awaitable<std::vector<Candidate>> open_candidates(Found& found, Opener& opener) {
  std::vector<Candidate> candidates;
  candidates.reserve(found.rows.size());
  for (std::size_t i = 0; i < found.rows.size(); ++i) {
    auto passage = co_await opener.open(std::move(found.rows[i]));
    if (passage) candidates.push_back({std::move(*passage), found.questions[i]});
  }
  co_return candidates;
}

std::vector<Uuid> ids_of(const std::vector<Candidate>& candidates,
                         const std::vector<std::size_t>& shown) {
  std::vector<Uuid> ids;
  for (const auto index : shown) ids.push_back(candidates[index].passage.from().id);
  return ids;
}

asio::awaitable<Summary> run(QueryDeps& deps, runtime::RequestContext context, crypto::Tenant who,
                             Question question, ResultSink& out) {
  const auto start = Clock::now();
  Summary summary;
  Opener opener(deps, context, who);

  // The reports below have names because of gcc 12: it destroys a temporary of a co_await
  // expression twice.
  StageClock embed;
  auto vectors = co_await embed_questions(deps, context, question);
  embed.stop(deps.metrics.embed);
  const StageReport embedded{Stage::embed, StageStatus::ok, embed.took, vectors.size()};
  co_await out.stage(embedded);

  StageClock search;
  auto found = co_await find_candidates(deps, context, who, question, std::move(vectors), opener);
  search.stop(deps.metrics.search);
  summary.candidates = found.rows.size();
  summary.complete = found.complete;
  summary.hybrid = found.hybrid;
  const StageReport searched{Stage::search, StageStatus::ok, search.took, found.rows.size()};
  co_await out.stage(searched);

  StageClock open;
  const auto candidates = co_await open_candidates(found, opener);
  open.stop(deps.metrics.open);
  summary.opened = candidates.size();
  const StageReport opened{Stage::open, StageStatus::ok, open.took, candidates.size()};
  co_await out.stage(opened);

  StageClock rerank;
  const auto ranking = co_await rank_or_keep(deps.reranking, context, question, candidates);
  if (ranking.status != StageStatus::skipped) rerank.stop(deps.metrics.rerank);
  // Every query counts under one reason, a skipped or reranked one too, so that the share of each
  // reason can be computed.
  deps.reranking.metrics.fallbacks(ranking.fallback).Increment();
  const StageReport reranked{Stage::rerank, ranking.status, rerank.took, ranking.ranked};
  co_await out.stage(reranked);

  auto selection = select(question, ranking, candidates);
  const auto shown = std::move(selection.shown);
  const auto expanded = co_await expand(deps, context, who, question.expand,
                                        ids_of(candidates, shown), opener);
  summary.next = next_page(question, found, ranking, std::move(selection));
  co_await send(deps, ranking, candidates, shown, expanded, start, out);
  summary.count = shown.size();
  summary.reranked = ranking.ranked > 0;
  summary.reranked_count = ranking.ranked;
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
  const auto start = Clock::now();
  const auto deadline = context.deadline;
  std::exception_ptr failure;
  try {
    const auto summary =
        co_await run(deps, std::move(context), who, std::move(question), out);
    runtime::observe(deps.metrics.duration, summary.timings.total);
    observe_ms(deps.metrics.response_time_ms, start);
    deps.metrics.answered.Increment();
    co_return summary;
  } catch (...) {
    failure = std::current_exception();
  }
  // Outside the handler, because a handler cannot co_await.
  // A client that disconnects is no failure of the service and must not raise an alarm. A query
  // that is cancelled because it hung until its deadline is one.
  const auto state = co_await asio::this_coro::cancellation_state;
  const bool cancelled =
      state.cancelled() != asio::cancellation_type::none && !deadline.passed();
  (cancelled ? deps.metrics.cancelled : deps.metrics.failed).Increment();
  if (!cancelled) observe_ms(deps.metrics.response_time_ms, start);
  std::rethrow_exception(failure);
}

}  // namespace memseal::query
