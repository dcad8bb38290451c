#include "http/routes/handlers.hpp"
#include "http/routes/operation_wait.hpp"
#include "http/routes/wait_preference.hpp"

#include "base/on_exit.hpp"
#include "cases/index/submit.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/wire/request.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

constexpr std::string_view operations_path = "/api/v1/operations/";
constexpr std::size_t idempotency_key_bytes_max = 255;

Response operation_response(int status, const ports::Operation& operation) {
  json::object body{{"id", operation.id.to_string()},
                    {"kind", origin_name(operation.origin)},
                    {"doc_id", operation.doc_id},
                    {"state", ports::operation_state_name(operation.state)},
                    {"chunks", operation.chunks},
                    {"error", nullptr}};
  if (!operation.error_code.empty()) body["error"] = json::object{{"code", operation.error_code}};
  body["created_at"] = codec::format_rfc3339(operation.created_at_ms);
  body["updated_at"] = codec::format_rfc3339(operation.updated_at_ms);
  return json_response(status, json::serialize(json::object{{"operation", std::move(body)}}));
}

/// The key that makes repeated requests one event; empty without the field. Reads a quoted string
/// (RFC 8941), as the draft of the field asks, and a bare one, as most clients send it.
Result<std::string> idempotency_key_of(const RequestHead& head) {
  if (head.count("idempotency-key") == 0) return std::string();
  const Error malformed{Errc::bad_request,
                        "Idempotency-Key is one field of 1 to 255 visible ASCII characters",
                        "Idempotency-Key"};
  auto key = head.field("idempotency-key").value_or("");
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"')
    key = key.substr(1, key.size() - 2);
  if (key.empty() || key.size() > idempotency_key_bytes_max ||
      !std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
    return malformed;
  return std::string(key);
}

index::Submission submission_of(wire::IndexRequest request, std::string idempotency_key,
                                std::int64_t now_ms) {
  return {.idempotency_key = std::move(idempotency_key),
          .doc_id = std::move(request.doc_id),
          .name = std::move(request.name),
          .mime_type = std::move(request.mime_type),
          .text = std::move(request.text),
          .tags = std::move(request.tags),
          .attributes_json = std::move(request.attributes_json),
          .at_ms = now_ms};
}

/// Waits as far as `wait` is granted. Returns whether it was.
asio::awaitable<bool> wait_as_asked(Call& call, ports::Operation& operation,
                                    std::chrono::seconds time) {
  if (operation.state != ports::OperationState::queued) co_return true;
  const auto place = call.deps.waits->enter(call.who->tenant);
  if (!place) co_return false;
  auto& waiting = call.exchange.server.metrics.waits_active;
  waiting.Increment();
  const OnExit leave([&] { waiting.Decrement(); });
  // Only now, because a submission that is cut in the middle leaves an operation without event.
  call.exchange.session.end_work_on_disconnect();
  co_await wait_for_end(call, operation, time);
  co_return true;
}

/// 202: Kafka has the event, and the client asks at Location what became of it.
Response accepted_response(int status, const ports::Operation& operation) {
  auto response = operation_response(status, operation);
  response.fields.push_back({"Location", std::string(operations_path) + operation.id.to_string()});
  return response;
}

}  // namespace

asio::awaitable<std::optional<Response>> post_index(Call& call) {
  const auto& api = *call.deps.api;
  const auto& who = *call.who;
  auto request = wire::parse_index_request(call.body);
  if (!request) co_return problem(request.error(), call.context.id);
  // The token decides whose memory this is. A body that names another user is refused and not
  // ignored, because its sender expects the other user's memory to change.
  if (request->user_id && *request->user_id != who.user.value())
    co_return user_mismatch(call);
  auto key = idempotency_key_of(call.head);
  if (!key) co_return problem(key.error(), call.context.id);
  const auto wait = wait_preference(call.head);
  if (!wait) co_return problem(wait.error(), call.context.id);
  const index::IndexDeps deps{api.operations, api.events, api.ids};
  index::Owner owner{who.user, who.tenant};
  auto submission = submission_of(std::move(*request), std::move(*key), api.now_ms());
  // The route has time for the wait. What comes before it has no more than any other request.
  const auto context = call.context.within(call.exchange.server.options.request_deadline);
  auto operation = co_await index::submit(deps, context, std::move(owner), std::move(submission));
  if (!operation) co_return problem(operation.error(), call.context.id);
  bool waited = false;
  if (wait->time.count() > 0) {
    call.accepted = accepted_response(202, *operation);
    waited = co_await wait_as_asked(call, *operation, wait->time);
  }
  const bool ended = operation->state != ports::OperationState::queued;
  auto response = accepted_response(waited && ended ? 200 : 202, *operation);
  if (wait->preferred && (waited || wait->time.count() == 0))
    response.fields.push_back(
        {"Preference-Applied", "wait=" + std::to_string(wait->time.count())});
  co_return response;
}

asio::awaitable<std::optional<Response>> get_operation(Call& call) {
  const auto id = Uuid::parse(call.id);
  if (!id) co_return not_found(call);
  const auto& api = *call.deps.api;
  // An operation of another user is not found either, because the database hides its row.
  const auto operation = co_await api.operations.find(call.context, call.who->tenant, *id);
  if (!operation) co_return not_found(call);
  co_return operation_response(200, *operation);
}

}  // namespace memseal::http
