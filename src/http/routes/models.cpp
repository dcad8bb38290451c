// Which models answer here, in OpenAI's shape.
#include "http/routes/handlers.hpp"

#include "pure/wire/inference.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <string>
#include <vector>

namespace memseal::http {

namespace {

namespace json = boost::json;

/// The models that a client may name, by their names.
std::vector<std::string> models_of(const Call& call) {
  const auto& deps = call.deps.api->inference;
  std::vector<std::string> names;
  if (deps.tokenizer != nullptr) names.push_back(deps.embedder.model_name());
  if (deps.reranking.reranker != nullptr) names.push_back(deps.reranking.reranker->model_name());
  return names;
}

json::object model_json(const Call& call, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", call.exchange.server.started_unix_s},
          {"owned_by", "memseal"}};
}

}  // namespace

asio::awaitable<std::optional<Response>> get_models(Call& call) {
  json::array models;
  for (const auto& name : models_of(call)) models.push_back(model_json(call, name));
  const json::object body{{"object", "list"}, {"data", std::move(models)}};
  co_return json_response(200, json::serialize(body));
}

asio::awaitable<std::optional<Response>> get_model(Call& call) {
  for (const auto& name : models_of(call))
    if (wire::names_model(call.id, name))
      co_return json_response(200, json::serialize(model_json(call, name)));
  co_return not_found(call);
}

}  // namespace memseal::http
