#include "http/routes/audit_trail.hpp"

#include "base/assert.hpp"
#include "http/routes/router.hpp"
#include "pure/codec/ascii.hpp"

#include <utility>

namespace memseal::http {

namespace {

using auditing::Weight;

audit::Event event_of(const Call& call) {
  audit::Event event{.action = std::string(call.route->action),
                     .at_ms = runtime::unix_ms(),
                     .address = call.exchange.session.peer_address(),
                     .request_id = call.context.id};
  if (call.who) {
    event.who = call.who->tenant;
    event.actor = "token:" + call.who->token_id;
  } else {
    if (codec::is_plain_id(call.id)) event.action += "/" + call.id;
    event.actor = "operator";
  }
  return event;
}

}  // namespace

asio::awaitable<void> record_begin(Call& call) {
  MEMSEAL_ASSERT(call.route->weight == Weight::guarded);
  call.is_recorded = true;
  if (call.deps.audit == nullptr) co_return;
  auto event = event_of(call);
  event.outcome = audit::Outcome::begun;
  if (!call.id.empty()) event.documents.push_back(call.id);
  co_await call.deps.audit->commit(call.context, std::move(event));
}

void record_end(Call& call, int status) {
  if (call.deps.audit == nullptr || call.route == nullptr || call.route->action.empty()) return;
  const bool is_order = call.route->scope == Scope::admin;
  // An order without the admin token is a stranger's; the process's log and a metric have it.
  if (is_order ? !call.is_operator : !call.who || status == 429) return;
  // What was refused before it was paid for has no other bound than the speed of the client.
  if (call.bucket && !call.charged) return;
  auto event = event_of(call);
  event.status = status;
  event.outcome = audit::outcome_of(status);
  event.documents = std::move(call.touched);
  if (event.documents.empty() && call.who && !call.id.empty()) event.documents.push_back(call.id);
  // The beginning of a guarded action is in the log already.
  const auto weight =
      call.route->weight == Weight::guarded ? Weight::change : call.route->weight;
  call.deps.audit->note(weight, std::move(event));
}

}  // namespace memseal::http
