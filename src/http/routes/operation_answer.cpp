#include "http/routes/operation_answer.hpp"

#include "http/routes/handlers.hpp"
#include "http/routes/operation_wait.hpp"

#include "base/on_exit.hpp"
#include "pure/codec/rfc3339.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

constexpr std::string_view operations_path = "/api/v1/operations/";
constexpr std::size_t idempotency_key_bytes_max = 255;

}  // namespace

json::object operation_json(const ports::Operation& operation) {
  json::object body{{"id", operation.id.to_string()},
                    {"kind", origin_name(operation.origin)},
                    {"doc_id", operation.doc_id},
                    {"state", ports::operation_state_name(operation.state)},
                    {"chunks", operation.chunks},
                    {"deleted", nullptr},
                    {"error", nullptr}};
  if (operation.deleted) body["deleted"] = json::object{{"chunks", *operation.deleted}};
  if (!operation.error_code.empty()) body["error"] = json::object{{"code", operation.error_code}};
  body["created_at"] = codec::format_rfc3339(operation.created_at_ms);
  body["updated_at"] = codec::format_rfc3339(operation.updated_at_ms);
  return body;
}

Response operation_response(int status, const ports::Operation& operation, json::object more) {
  more["operation"] = operation_json(operation);
  return json_response(status, json::serialize(more));
}

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

namespace {

/// 202: Kafka has the event, and the client asks at Location what became of it.
Response accepted_response(int status, const ports::Operation& operation, json::object more) {
  auto response = operation_response(status, operation, std::move(more));
  response.fields.push_back({"Location", std::string(operations_path) + operation.id.to_string()});
  return response;
}

}  // namespace

asio::awaitable<Response> answer_when_ended(Call& call, ports::Operation operation,
                                            WaitPreference wait, json::object more) {
  bool waited = false;
  call.touched.push_back(operation.doc_id);
  if (wait.time.count() > 0) {
    call.accepted = accepted_response(202, operation, more);
    waited = co_await wait_as_asked(call, operation, wait.time);
  }
  const bool ended = operation.state != ports::OperationState::queued;
  auto response = accepted_response(waited && ended ? 200 : 202, operation, std::move(more));
  if (wait.preferred && (waited || wait.time.count() == 0))
    response.fields.push_back({"Preference-Applied", "wait=" + std::to_string(wait.time.count())});
  co_return response;
}

}  // namespace memseal::http
