#include "http/routes/admission.hpp"
#include "http/routes/handlers.hpp"

#include "cases/inference/inference.hpp"
#include "pure/crypto/random.hpp"
#include "pure/policy/breaker.hpp"
#include "pure/policy/token_bucket.hpp"
#include "pure/wire/inference.hpp"
#include "runtime/histogram_summary.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

// Vectors written as text before this thread turns to its other connections.
constexpr std::size_t vectors_at_once = 64;

inference::InferenceDeps& deps_of(const Call& call) {
  return call.deps.api->inference;
}

/// A client that names a model means that one: another's scores or vectors would mislead it.
std::optional<Response> check_model(const Call& call, const std::string& wanted,
                                    const std::string& served) {
  if (wire::names_model(wanted, served)) return {};
  return problem({Errc::invalid_field, "the model here is \"" + served + "\"", "/model"},
                 call.context.id);
}

std::optional<Response> check_reranker(const Call& call, const std::string& wanted) {
  const auto* reranker = deps_of(call).reranking.reranker;
  if (reranker == nullptr) return {};  // said by what needs it
  return check_model(call, wanted, reranker->model_name());
}

// What a reranker reads of a pair at most. A longer text costs no more.
constexpr std::int64_t pair_tokens_max = 512;
// The same of an embedder, with [CLS] and [SEP].
constexpr std::int64_t embed_tokens_max = limits::chunk_tokens_max + 2;

/// The model reads the query with each of the texts.
std::int64_t tokens_of_pairs(const wire::RerankRequest& request) {
  const auto query = policy::tokens_of_text(request.query);
  std::int64_t sum = 0;
  for (const auto& text : request.texts)
    sum += std::min(query + policy::tokens_of_text(text), pair_tokens_max);
  return sum;
}

/// Without a reranker the request is refused here, and is free. Not later, because an operator may
/// switch reranking on in between, and the request would be ranked for nothing.
asio::awaitable<std::optional<Response>> charge_pairs(Call& call,
                                                      const wire::RerankRequest& request) {
  inference::require_reranker(deps_of(call));
  co_return co_await charge(call, tokens_of_pairs(request));
}

/// What is known of a request before the model computes anything. Charges what is valid, by the
/// tokens that the model will read. `batch` is what to compute, unless a response is returned.
/// The texts of the request are moved from.
asio::awaitable<std::optional<Response>> admit_embedding(Call& call,
                                                         wire::EmbeddingsRequest& request,
                                                         inference::Batch& batch) {
  auto& deps = deps_of(call);
  if (auto refused = check_model(call, request.model, deps.embedder.model_name()))
    co_return refused;
  const auto dimension = deps.embedder.dimension();
  if (request.dimensions != 0 && request.dimensions != dimension)
    co_return problem({Errc::invalid_field,
                       "the model here has " + std::to_string(dimension) + " dimensions",
                       "/dimensions"},
                      call.context.id);
  std::string member(request.member);
  batch = co_await inference::make_batch(deps, call.context, std::move(request.inputs),
                                         std::move(member));
  co_return co_await charge(call, static_cast<std::int64_t>(batch.tokens));
}

template <class Body>
asio::awaitable<void> write_vectors(Body& body, const std::vector<ports::Embedding>& vectors) {
  std::size_t written = 0;
  for (const auto& vector : vectors) {
    body.add(vector);
    if (++written % vectors_at_once == 0) co_await asio::post(asio::use_awaitable);
  }
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
  const auto seen = runtime::observed(histogram);
  return {{"count", seen.count},
          {"mean", rounded(seen.mean, scale)},
          {"p50", rounded(runtime::quantile(histogram, 0.50), scale)},
          {"p95", rounded(runtime::quantile(histogram, 0.95), scale)},
          {"p99", rounded(runtime::quantile(histogram, 0.99), scale)}};
}

json::object fallbacks_json(rerank::RerankMetrics& metrics) {
  json::object counts;
  for (int i = 0; i < rerank::fallback_count; ++i) {
    const auto reason = static_cast<rerank::Fallback>(i);
    counts[rerank::fallback_name(reason)] =
        static_cast<std::uint64_t>(metrics.fallbacks(reason).Value());
  }
  return counts;
}

asio::awaitable<std::optional<Response>> rerank_as_cohere(Call& call, int api_version) {
  auto request = wire::parse_cohere_rerank(call.body);
  if (!request) co_return problem(request.error(), call.context.id);
  request->api_version = api_version;
  if (auto wrong = check_reranker(call, request->model)) co_return wrong;
  auto refused = co_await charge_pairs(call, *request);
  if (refused) co_return refused;
  auto& deps = deps_of(call);
  // The reranker is null where none is configured; rank_texts() throws then.
  const auto ranked =
      co_await inference::rank_texts(deps, call.context, request->query, request->texts);
  const auto id = crypto::random_uuid().to_string();
  co_return ranked_response(
      wire::cohere_rerank_json(*request, ranked.logits, id,
                               deps.reranking.reranker->model_name(), ranked.ranked),
      ranked.ranked);
}

}  // namespace

asio::awaitable<std::optional<Response>> post_rerank(Call& call) {
  return rerank_as_cohere(call, 1);
}

asio::awaitable<std::optional<Response>> post_rerank_v2(Call& call) {
  return rerank_as_cohere(call, 2);
}

asio::awaitable<std::optional<Response>> post_tei_rerank(Call& call) {
  const auto request = wire::parse_tei_rerank(call.body);
  if (!request) co_return problem(request.error(), call.context.id);
  if (auto wrong = check_reranker(call, request->model)) co_return wrong;
  auto refused = co_await charge_pairs(call, *request);
  if (refused) co_return refused;
  const auto ranked = co_await inference::rank_texts(deps_of(call), call.context,
                                                     request->query, request->texts);
  co_return ranked_response(wire::tei_rerank_json(*request, ranked.logits), ranked.ranked);
}

asio::awaitable<std::optional<Response>> post_embeddings(Call& call) {
  auto request = wire::parse_embeddings_request(call.body);
  if (!request) co_return problem(request.error(), call.context.id);
  inference::Batch batch;
  auto refused = co_await admit_embedding(call, *request, batch);
  if (refused) co_return refused;
  auto& deps = deps_of(call);
  const auto embedded = co_await inference::embed_batch(deps, call.context, std::move(batch));
  wire::EmbeddingsJson body(request->base64);
  co_await write_vectors(body, embedded.vectors);
  co_return json_response(200, body.finish(deps.embedder.model_name(), embedded.tokens));
}

asio::awaitable<std::optional<Response>> post_tei_embed(Call& call) {
  auto request = wire::parse_tei_embed(call.body);
  if (!request) co_return problem(request.error(), call.context.id);
  inference::Batch batch;
  auto refused = co_await admit_embedding(call, *request, batch);
  if (refused) co_return refused;
  const auto embedded =
      co_await inference::embed_batch(deps_of(call), call.context, std::move(batch));
  wire::VectorsJson body;
  co_await write_vectors(body, embedded.vectors);
  co_return json_response(200, body.finish());
}

asio::awaitable<std::optional<Response>> get_tei_info(Call& call) {
  const auto& deps = deps_of(call);
  wire::TeiModel model{.input_tokens_max = embed_tokens_max, .version = MEMSEAL_VERSION};
  const auto* reranker = deps.reranking.reranker;
  if (deps.tokenizer != nullptr) {
    model.name = deps.embedder.model_name();
  } else if (reranker != nullptr) {
    model.name = reranker->model_name();
    model.ranks = true;
    model.input_tokens_max = pair_tokens_max;
  } else {
    co_return problem({Errc::no_model, "no model of this service accepts texts of clients"},
                      call.context.id);
  }
  co_return json_response(200, wire::tei_info_json(model));
}

asio::awaitable<std::optional<Response>> get_rerank_metrics(Call& call) {
  const auto& deps = deps_of(call).reranking;
  auto& metrics = deps.metrics;
  // The breaker of the loop that answers: each loop has its own.
  const auto breaker = deps.breaker.state(runtime::Clock::now());
  json::value model = nullptr;
  if (deps.reranker != nullptr) model = json::string(deps.reranker->model_name());
  const json::object body{
      {"enabled", deps.flags.rerank_enabled.load(std::memory_order_relaxed)},
      {"model", std::move(model)},
      {"breaker", json::string(policy::breaker_state_name(breaker))},
      {"budget_ms",
       std::chrono::duration_cast<std::chrono::milliseconds>(deps.budget).count()},
      {"queue_length", static_cast<std::int64_t>(metrics.queue.Value())},
      {"fallbacks", fallbacks_json(metrics)},
      {"partial", static_cast<std::uint64_t>(metrics.partial.Value())},
      {"latency_ms", quantiles_json(metrics.duration, 1e3)},
      {"batch_size", quantiles_json(metrics.batch, 1)}};
  co_return json_response(200, json::serialize(body));
}

}  // namespace memseal::http
