#include "http/routes/admission.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/operation_answer.hpp"
#include "http/routes/traces.hpp"

#include "cases/index/submit_deletion.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/wire/parameters.hpp"

#include <boost/json/object.hpp>

#include <array>
#include <utility>

namespace memseal::http {

namespace {

using ports::MemoryKind;

/// `?before=`, the only parameter beside `?wait=`, and only of a conversation.
Result<std::optional<std::int64_t>> before_of(const RequestHead& head, MemoryKind kind) {
  static constexpr std::array<std::string_view, 2> names{"wait", "before"};
  const bool has_turns = kind == MemoryKind::conversation;
  const auto known = std::span(names).first(has_turns ? 2 : 1);
  const auto parameters = wire::parse_parameters(head.query(), known);
  if (!parameters) return parameters.error();
  const auto found = parameters->find("before");
  if (found == parameters->end()) return std::optional<std::int64_t>();
  const auto time = codec::parse_rfc3339(found->second);
  if (!time)
    return Error{Errc::invalid_field, "is not an RFC 3339 time, such as 2026-01-01T00:00:00Z",
                 "before"};
  return time;
}

asio::awaitable<std::optional<Response>> delete_memory(Call& call, MemoryKind kind) {
  const auto& api = *call.deps.api;
  const auto& who = *call.who;
  auto id = DocId::parse(call.id);
  if (!id) co_return not_found(call);
  const auto before = before_of(call.head, kind);
  if (!before) co_return problem(before.error(), call.context.id);
  auto key = idempotency_key_of(call.head);
  if (!key) co_return problem(key.error(), call.context.id);
  const auto wait = wait_preference(call.head);
  if (!wait) co_return problem(wait.error(), call.context.id);
  auto refused = co_await charge(call, 0);
  if (refused) co_return refused;
  const auto deps = index_deps(call);
  index::Owner owner{who.user, who.tenant};
  index::DeletionSubmission submission{.idempotency_key = std::move(*key),
                                       .kind = kind,
                                       .id = std::move(*id),
                                       .before_ms = *before,
                                       .at_ms = api.now_ms()};
  // The route has time for the wait. What comes before it has no more than any other request.
  const auto context = step_context(call);
  auto operation = co_await index::submit_deletion(deps, api.browse.stored, context,
                                                   std::move(owner), std::move(submission));
  if (!operation && operation.error().code == Errc::not_found) co_return not_found(call);
  if (!operation) co_return problem(operation.error(), call.context.id);
  boost::json::object nothing_more;
  co_return co_await answer_when_ended(call, std::move(*operation), *wait, std::move(nothing_more));
}

}  // namespace

asio::awaitable<std::optional<Response>> delete_document(Call& call) {
  return delete_memory(call, MemoryKind::document);
}

asio::awaitable<std::optional<Response>> delete_conversation(Call& call) {
  return delete_memory(call, MemoryKind::conversation);
}

}  // namespace memseal::http
