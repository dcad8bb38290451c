#include "http/routes/handlers.hpp"

#include "cases/inference/inference.hpp"
#include "pure/crypto/random.hpp"
#include "pure/policy/breaker.hpp"
#include "pure/wire/inference.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cmath>
#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

// Vectors written as text before this thread turns to its other connections.
constexpr std::size_t vectors_at_once = 64;

query::Parts& parts_of(const Exchange& exchange) { return exchange.core.services.api->query; }

/// A client that names a model means that one: another's scores or vectors would mislead it.
std::optional<Response> check_model(const Exchange& exchange, const std::string& wanted,
                                    const std::string& served) {
  if (wire::names_model(wanted, served)) return {};
  return problem({Errc::invalid_field, "the model here is \"" + served + "\"", "/model"},
                 exchange.context.id);
}

std::optional<Response> check_reranker(const Exchange& exchange, const std::string& wanted) {
  const auto* reranker = parts_of(exchange).reranker;
  if (reranker == nullptr) return {};  // said by what needs it
  return check_model(exchange, wanted, reranker->model_name());
}

Response ranked_response(std::string body, std::size_t ranked) {
  auto response = json_response(200, std::move(body));
  response.fields.push_back({"X-Reranked-Count", std::to_string(ranked)});
  return response;
}

json::value rounded(std::optional<double> value, double scale) {
  if (!value) return nullptr;
  return std::round(*value * scale * 1e3) / 1e3;
}

/// Quantiles in the histogram's unit times `scale`.
json::object quantiles_json(const runtime::Histogram& histogram, double scale) {
  const auto seen = query::observed(histogram);
  return {{"count", seen.count},
          {"mean", rounded(seen.mean, scale)},
          {"p50", rounded(query::quantile(histogram, 0.50), scale)},
          {"p95", rounded(query::quantile(histogram, 0.95), scale)},
          {"p99", rounded(query::quantile(histogram, 0.99), scale)}};
}

json::object fallbacks_json(query::Probe& probe) {
  json::object counts;
  for (int i = 0; i < query::fallback_count; ++i) {
    const auto reason = static_cast<query::Fallback>(i);
    counts[query::fallback_name(reason)] =
        static_cast<std::uint64_t>(probe.fallbacks(reason).Value());
  }
  return counts;
}

}  // namespace

asio::awaitable<std::optional<Response>> post_rerank(Exchange& exchange) {
  const auto request = wire::parse_cohere_rerank(exchange.body);
  if (!request) co_return problem(request.error(), exchange.context.id);
  if (auto refused = check_reranker(exchange, request->model)) co_return refused;
  auto& parts = parts_of(exchange);
  const auto logits =
      co_await query::rank_texts(parts, exchange.context, request->query, request->texts);
  const auto id = crypto::random_uuid().to_string();
  co_return ranked_response(
      wire::cohere_rerank_json(*request, logits, id, parts.reranker->model_name()),
      logits.size());
}

asio::awaitable<std::optional<Response>> post_tei_rerank(Exchange& exchange) {
  const auto request = wire::parse_tei_rerank(exchange.body);
  if (!request) co_return problem(request.error(), exchange.context.id);
  if (auto refused = check_reranker(exchange, request->model)) co_return refused;
  const auto logits = co_await query::rank_texts(parts_of(exchange), exchange.context,
                                                 request->query, request->texts);
  co_return ranked_response(wire::tei_rerank_json(*request, logits), logits.size());
}

asio::awaitable<std::optional<Response>> post_embeddings(Exchange& exchange) {
  auto request = wire::parse_embeddings_request(exchange.body);
  if (!request) co_return problem(request.error(), exchange.context.id);
  auto& parts = parts_of(exchange);
  const auto& model = parts.embedder.model_name();
  if (auto refused = check_model(exchange, request->model, model)) co_return refused;
  const auto dimension = parts.embedder.dimension();
  if (request->dimensions != 0 && request->dimensions != dimension)
    co_return problem({Errc::invalid_field,
                       "the model here has " + std::to_string(dimension) + " dimensions",
                       "/dimensions"},
                      exchange.context.id);
  const auto embedded =
      co_await query::embed_texts(parts, exchange.context, std::move(request->inputs));
  wire::EmbeddingsJson body(request->base64);
  std::size_t written = 0;
  for (const auto& vector : embedded.vectors) {
    body.add(vector);
    if (++written % vectors_at_once == 0) co_await asio::post(asio::use_awaitable);
  }
  co_return json_response(200, body.finish(model, embedded.tokens));
}

asio::awaitable<std::optional<Response>> get_rerank_metrics(Exchange& exchange) {
  auto& parts = parts_of(exchange);
  auto& probe = parts.probe;
  const auto breaker = parts.breaker.state(runtime::Clock::now());
  json::value model = nullptr;
  if (parts.reranker != nullptr) model = json::string(parts.reranker->model_name());
  const json::object body{
      {"enabled", parts.flags.rerank_enabled.load(std::memory_order_relaxed)},
      {"model", std::move(model)},
      {"breaker", json::string(policy::breaker_state_name(breaker))},
      {"budget_ms",
       std::chrono::duration_cast<std::chrono::milliseconds>(parts.rerank_budget).count()},
      {"queue_length", static_cast<std::int64_t>(probe.rerank_queue.Value())},
      {"fallbacks", fallbacks_json(probe)},
      {"partial", static_cast<std::uint64_t>(probe.rerank_partial.Value())},
      {"latency_ms", quantiles_json(probe.rerank_duration, 1e3)},
      {"batch_size", quantiles_json(probe.rerank_batch, 1)}};
  co_return json_response(200, json::serialize(body));
}

}  // namespace memseal::http
