#include "http/routes/handlers.hpp"

#include "pure/codec/rfc3339.hpp"
#include "pure/crypto/random.hpp"
#include "pure/wire/event.hpp"
#include "pure/wire/request.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

constexpr std::string_view operations_path = "/api/v1/operations/";
constexpr std::string_view kind = "api";
constexpr std::size_t idempotency_key_bytes_max = 255;

Response operation_response(int status, const ports::Operation& operation) {
  json::object body{{"id", operation.id.to_string()},
                    {"kind", operation.kind},
                    {"doc_id", operation.doc_id},
                    {"state", ports::operation_state_name(operation.state)},
                    {"chunks", operation.chunks},
                    {"error", nullptr}};
  if (!operation.error_code.empty()) body["error"] = json::object{{"code", operation.error_code}};
  body["created_at"] = codec::format_rfc3339(operation.created_at_ms);
  body["updated_at"] = codec::format_rfc3339(operation.updated_at_ms);
  return json_response(status, json::serialize(json::object{{"operation", std::move(body)}}));
}

ports::Operation just_queued(const Uuid& id, const std::string& doc_id) {
  const auto now_ms = runtime::unix_ms();
  return {.id = id, .kind = std::string(kind), .doc_id = doc_id,
          .created_at_ms = now_ms, .updated_at_ms = now_ms};
}

/// The key that makes a repeated request one event; made up where the client gave none.
/// The field is a quoted string (RFC 8941) in the draft and bare in most clients: both are read.
Result<std::string> event_id_of(const RequestHead& head) {
  if (head.count("idempotency-key") == 0) return crypto::random_uuid().to_string();
  const Error malformed{Errc::bad_request,
                        "Idempotency-Key is one field of 1 to 255 visible ASCII characters"};
  auto key = head.field("idempotency-key").value_or("");
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"')
    key = key.substr(1, key.size() - 2);
  if (key.empty() || key.size() > idempotency_key_bytes_max ||
      !std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
    return malformed;
  return std::string(key);
}

/// The document's name: the client's, or one that the same content always gets. Keyed, since the
/// name is stored in the clear and a bare hash would confirm a guess of the content.
Result<DocId> doc_id_of(const Api& api, const crypto::Tenant& owner,
                        const wire::IndexRequest& request) {
  if (!request.doc_id.empty()) return DocId::parse(request.doc_id);
  const auto derived =
      api.ids.event_id(owner, "memseal/document", request.name + '\0' + request.text);
  return DocId::parse("api-" + derived.to_string());
}

std::string event_of(const Principal& who, std::string event_id, const DocId& doc_id,
                     wire::IndexRequest request) {
  const auto now_ms = runtime::unix_ms();
  wire::EventHead head{std::move(event_id), std::string(index_event_source), who.user, now_ms};
  const wire::UploadEvent event{.head = std::move(head),
                                .doc_id = doc_id,
                                .name = std::move(request.name),
                                .mime_type = std::move(request.mime_type),
                                .text = std::move(request.text),
                                .revision = now_ms,
                                .tags = std::move(request.tags),
                                .attributes_json = std::move(request.attributes_json),
                                .source_kind = std::string(kind)};
  return wire::make_upload_event(event);
}

}  // namespace

asio::awaitable<std::optional<Response>> post_index(Exchange& exchange) {
  const auto& api = *exchange.core.services.api;
  const auto& who = *exchange.who;
  auto request = wire::parse_index_request(exchange.body);
  if (!request) co_return problem(request.error(), exchange.context.id);
  if (request->user_id && *request->user_id != who.user.value())
    co_return user_mismatch(exchange);
  auto event_id = event_id_of(exchange.head);
  if (!event_id) co_return problem(event_id.error(), exchange.context.id);
  const auto doc_id = doc_id_of(api, who.tenant, *request);
  if (!doc_id) co_return problem(doc_id.error(), exchange.context.id);

  const auto id = api.ids.event_id(who.tenant, index_event_source, *event_id);
  auto event = event_of(who, std::move(*event_id), *doc_id, std::move(*request));
  if (event.size() > limits::event_bytes_max)
    co_return problem({Errc::payload_too_large, "the document is too large for one event", "text"},
                      exchange.context.id);

  // Announced before it is published: whoever sees the event finds its operation.
  co_await api.operations.announce(exchange.context, who.tenant, id, std::string(kind),
                              doc_id->value());
  std::optional<ports::Operation> known;
  if (exchange.head.count("idempotency-key") != 0)
    known = co_await api.operations.find(exchange.context, who.tenant, id);
  // Without a doc_id of the client's own it is made of name and text: another text is another.
  if (known && known->doc_id != doc_id->value())
    co_return problem({Errc::invalid_field,
                       "this Idempotency-Key was used for another document; use a new one",
                       "Idempotency-Key"},
                      exchange.context.id);
  const auto operation = known.value_or(just_queued(id, doc_id->value()));
  // A repeated request whose event took effect needs no second event; while it is queued, the
  // first may never have reached the broker, and the ledger drops the one too many.
  if (operation.state == ports::OperationState::queued) {
    ports::OutRecord record{.channel = ports::Channel::upload,
                            .key = who.user.value(),
                            .value = std::move(event),
                            .headers = {}};
    record.headers.emplace_back("content-type", "application/cloudevents+json; charset=UTF-8");
    co_await api.events.publish(exchange.context, std::move(record));
  }
  auto response = operation_response(202, operation);
  response.fields.push_back({"Location", std::string(operations_path) + id.to_string()});
  co_return response;
}

asio::awaitable<std::optional<Response>> get_operation(Exchange& exchange) {
  const auto id = Uuid::parse(exchange.parameter);
  if (!id) co_return not_found(exchange);
  const auto& api = *exchange.core.services.api;
  const auto operation =
      co_await api.operations.find(exchange.context, exchange.who->tenant, *id);
  if (!operation) co_return not_found(exchange);
  co_return operation_response(200, *operation);
}

}  // namespace memseal::http
