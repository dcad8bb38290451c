#include "http/routes/admission.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/operation_answer.hpp"
#include "http/routes/traces.hpp"

#include "cases/index/submit.hpp"
#include "pure/policy/token_bucket.hpp"
#include "pure/wire/request.hpp"

#include <utility>

namespace memseal::http {

namespace {

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
  auto refused = co_await charge(call, policy::tokens_of_text(request->text));
  if (refused) co_return refused;
  const auto deps = index_deps(call);
  index::Owner owner{who.user, who.tenant};
  auto submission = submission_of(std::move(*request), std::move(*key), api.now_ms());
  // The route has time for the wait. What comes before it has no more than any other request.
  const auto context = step_context(call);
  auto operation = co_await index::submit(deps, context, std::move(owner), std::move(submission));
  if (!operation) co_return problem(operation.error(), call.context.id);
  boost::json::object nothing_more;
  co_return co_await answer_when_ended(call, std::move(*operation), *wait, std::move(nothing_more));
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
