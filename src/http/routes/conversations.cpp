#include "http/routes/admission.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/operation_answer.hpp"
#include "http/routes/traces.hpp"

#include "cases/index/submit_turns.hpp"
#include "pure/policy/token_bucket.hpp"
#include "pure/wire/turns_request.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

json::array turn_ids_json(const std::vector<std::string>& turn_ids) {
  json::array ids;
  for (const auto& id : turn_ids) {
    if (id.empty())
      ids.push_back(nullptr);
    else
      ids.push_back(json::value(id));
  }
  return ids;
}

index::TurnsSubmission turns_of(wire::TurnsRequest request, std::string idempotency_key,
                                DocId conversation, std::int64_t now_ms) {
  return {.idempotency_key = std::move(idempotency_key),
          .conversation = std::move(conversation),
          .turns = std::move(request.turns),
          .tags = std::move(request.tags),
          .attributes_json = std::move(request.attributes_json),
          .at_ms = now_ms};
}

std::int64_t tokens_of_turns(const std::vector<wire::ChatMessage>& turns) {
  std::int64_t sum = 0;
  for (const auto& turn : turns) sum += policy::tokens_of_text(turn.content);
  return sum;
}

}  // namespace

asio::awaitable<std::optional<Response>> post_turns(Call& call) {
  const auto& api = *call.deps.api;
  const auto& who = *call.who;
  auto conversation = DocId::parse(call.id);
  if (!conversation) co_return not_found(call);
  auto request = wire::parse_turns_request(call.body);
  if (!request) co_return problem(request.error(), call.context.id);
  if (request->user_id && *request->user_id != who.user.value()) co_return user_mismatch(call);
  auto key = idempotency_key_of(call.head);
  if (!key) co_return problem(key.error(), call.context.id);
  const auto wait = wait_preference(call.head);
  if (!wait) co_return problem(wait.error(), call.context.id);
  auto refused = co_await charge(call, tokens_of_turns(request->turns));
  if (refused) co_return refused;
  const auto deps = index_deps(call);
  index::Owner owner{who.user, who.tenant};
  auto turns = turns_of(std::move(*request), std::move(*key), std::move(*conversation),
                        api.now_ms());
  // The route has time for the wait. What comes before it has no more than any other request.
  const auto context = step_context(call);
  auto submitted =
      co_await index::submit_turns(deps, context, std::move(owner), std::move(turns));
  if (!submitted) co_return problem(submitted.error(), call.context.id);
  json::object more{{"turn_ids", turn_ids_json(submitted->turn_ids)}};
  co_return co_await answer_when_ended(call, std::move(submitted->operation), *wait,
                                       std::move(more));
}

}  // namespace memseal::http
