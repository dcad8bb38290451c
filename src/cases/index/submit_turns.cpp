#include "cases/index/submit_turns.hpp"

#include "cases/index/internal/announce.hpp"
#include "pure/wire/turn.hpp"

#include <utility>

namespace memseal::index {

namespace {

wire::ChatEvent chat_of(const UserId& user, std::string event_id, TurnsSubmission submission) {
  wire::EventHead head{std::move(event_id), std::string(event_source), user, submission.at_ms};
  return {.head = std::move(head),
          .conversation_id = std::move(submission.conversation),
          .messages = std::move(submission.turns),
          .tags = std::move(submission.tags),
          .attributes_json = std::move(submission.attributes_json)};
}

/// A keyed hash of what the client asked for, without what differs between repetitions (the time).
Uuid turns_request_hash(const crypto::IdDeriver& ids, const crypto::Tenant& tenant,
                        const wire::ChatEvent& event) {
  Words words;
  words.add(event.conversation_id.value()).add(event.attributes_json);
  for (const auto& turn : event.messages)
    words.add(turn.role).add(turn.content).add(turn.id).add(std::to_string(turn.created_at_ms));
  for (const auto& tag : event.tags) words.add(tag);
  return ids.event_id(tenant, "memseal/turns-request", words.text());
}

std::vector<std::string> turn_ids_of(const crypto::IdDeriver& ids, const crypto::Tenant& tenant,
                                     const wire::ChatEvent& event) {
  std::vector<std::string> turn_ids;
  const auto names = turn_names(event);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& given = event.messages[i].id;
    if (names[i].empty())
      turn_ids.emplace_back();
    else
      turn_ids.push_back(
          given.empty() ? ids.event_id(tenant, wire::turn_key_of, names[i]).to_string() : given);
  }
  return turn_ids;
}

}  // namespace

asio::awaitable<Result<TurnsSubmitted>> submit_turns(const IndexDeps& deps,
                                                     runtime::RequestContext context, Owner owner,
                                                     TurnsSubmission submission) {
  const bool has_key = !submission.idempotency_key.empty();
  auto name = event_name_of(submission.idempotency_key);
  Announcement announcement{.id = deps.ids.event_id(owner.tenant, event_source, name),
                            .origin = Origin::chat,
                            .doc_id = submission.conversation,
                            .request = {},
                            .at_ms = submission.at_ms};
  const auto event = chat_of(owner.user, std::move(name), std::move(submission));
  auto record = record_of(ports::Channel::chat, event.head, wire::make_chat_event(event));
  if (auto too_large = check_record_size(record, "the turns make", "/turns")) co_return *too_large;
  if (auto too_large = check_meta_size(wire::meta_of(event).size())) co_return *too_large;
  if (has_key) announcement.request = turns_request_hash(deps.ids, owner.tenant, event);
  auto operation = co_await announce_and_publish(deps, context, owner.tenant,
                                                 std::move(announcement), std::move(record));
  if (!operation) co_return operation.error();
  co_return TurnsSubmitted{std::move(*operation), turn_ids_of(deps.ids, owner.tenant, event)};
}

}  // namespace memseal::index
