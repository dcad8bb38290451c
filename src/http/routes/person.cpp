// What is stored of the caller as a whole: counts, an export, erasure.
#include "http/routes/admission.hpp"
#include "http/routes/answer_json.hpp"
#include "http/routes/audit_trail.hpp"
#include "http/routes/export_lines.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/stored_json.hpp"

#include "cases/person/receipt.hpp"
#include "http/server/content_stream.hpp"
#include "pure/wire/parameters.hpp"

#include <boost/json/serialize.hpp>

#include <array>
#include <utility>

namespace memseal::http {

namespace {

const person::EraseDeps& person_of(const Call& call) {
  const auto* deps = call.deps.api->person;
  if (deps == nullptr) throw_failure({Errc::bad_config, "this service has no store of persons"});
  return *deps;
}

/// No parameter is known; one that is given is refused, and the request is then free.
asio::awaitable<std::optional<Response>> admit_bare(Call& call) {
  const auto parameters = wire::parse_parameters(call.head.query(), {});
  if (!parameters) co_return problem(parameters.error(), call.context.id);
  co_return co_await charge(call, 0);
}

}  // namespace

asio::awaitable<std::optional<Response>> get_me(Call& call) {
  const auto& deps = person_of(call);
  auto refused = co_await admit_bare(call);
  if (refused) co_return refused;
  const auto state = co_await deps.store.look(call.context, call.who->tenant);
  json::object me{{"user_id", call.who->user.value()}};
  add_person_state(me, state);
  co_return json_response(200, json::serialize(json::object{{"me", std::move(me)}}));
}

asio::awaitable<std::optional<Response>> get_export(Call& call) {
  const auto& api = *call.deps.api;
  auto refused = co_await admit_bare(call);
  if (refused) co_return refused;
  const ExportSource source{.browse = api.browse,
                            .knowledge = api.knowledge,
                            .who = call.who->tenant,
                            .user_id = call.who->user.value(),
                            .now_ms = api.now_ms(),
                            .step = [&call] { return step_context(call); }};
  ContentStream content(call.exchange);
  std::vector<OutField> fields{
      {"Content-Type", "application/x-ndjson; charset=utf-8"},
      {"Content-Disposition", "attachment; filename=\"memseal-export.ndjson\""}};
  bool begun = false;
  const LineSink sink = [&](std::string lines) -> asio::awaitable<void> {
    // With the first line, so that a failure before it still has a status of its own.
    if (!std::exchange(begun, true)) co_await content.begin(200, std::move(fields));
    co_await content.write(lines);
  };
  if (content.is_head()) {
    co_await content.begin(200, std::move(fields));
    co_return std::nullopt;
  }
  co_await record_begin(call);
  co_await export_lines(source, sink);
  co_await content.end();
  co_return std::nullopt;
}

asio::awaitable<std::optional<Response>> delete_me(Call& call) {
  static constexpr std::array<std::string_view, 1> names{"confirm"};
  const auto& deps = person_of(call);
  const auto parameters = wire::parse_parameters(call.head.query(), names);
  if (!parameters) co_return problem(parameters.error(), call.context.id);
  const auto confirm = parameters->find("confirm");
  // A request that was sent by mistake must not end a person's memory.
  if (confirm == parameters->end() || confirm->second != call.who->user.value()) {
    const Error error{Errc::invalid_field, "must be the user id of the token: this erases all",
                      "confirm"};
    co_return problem(error, call.context.id);
  }
  auto refused = co_await charge(call, 0);
  if (refused) co_return refused;
  co_await record_begin(call);
  const person::StepContext step = [&call] {
    return call.context.within(std::chrono::seconds(30));
  };
  const auto erasure = co_await person::erase(deps, step, call.who->tenant);
  co_return json_response(200, person::make_receipt(call.who->tenant.hash(), erasure,
                                                    *call.deps.api->receipts) +
                                   "\n");
}

}  // namespace memseal::http
