#include "cases/index/submit_deletion.hpp"

#include "cases/index/internal/announce.hpp"
#include "pure/wire/event.hpp"

#include <utility>

namespace memseal::index {

namespace {

wire::DeleteEvent deletion_of(const UserId& user, std::string event_id,
                              DeletionSubmission submission) {
  const bool is_conversation = submission.kind == ports::MemoryKind::conversation;
  wire::EventHead head{std::move(event_id), std::string(event_source), user, submission.at_ms};
  return {.head = std::move(head),
          .doc_id = std::move(submission.id),
          .is_conversation = is_conversation,
          .before_ms = submission.before_ms,
          .origin = is_conversation ? Origin::chat : Origin::api};
}

/// A keyed hash of what the client asked for, without what differs between repetitions (the time).
Uuid deletion_request_hash(const crypto::IdDeriver& ids, const crypto::Tenant& tenant,
                           const wire::DeleteEvent& event) {
  Words words;
  words.add(event.is_conversation ? "conversation" : "document").add(event.doc_id.value());
  if (event.before_ms) words.add(std::to_string(*event.before_ms));
  return ids.event_id(tenant, "memseal/deletion-request", words.text());
}

}  // namespace

asio::awaitable<Result<ports::Operation>> submit_deletion(const IndexDeps& deps,
                                                          ports::StoredMemory& stored,
                                                          runtime::RequestContext context,
                                                          Owner owner,
                                                          DeletionSubmission submission) {
  const bool has_key = !submission.idempotency_key.empty();
  auto name = event_name_of(submission.idempotency_key);
  const auto id = deps.ids.event_id(owner.tenant, event_source, name);
  // What an earlier request with the same key deleted is not there any more.
  bool is_known = false;
  if (has_key) {
    const auto earlier = co_await deps.operations.find(context, owner.tenant, id);
    is_known = earlier.has_value();
  }
  if (!is_known) is_known = co_await stored.is_known(context, owner.tenant, submission.kind,
                                                     submission.id);
  if (!is_known) co_return Error{Errc::not_found, "nothing of this id is stored"};
  const auto event = deletion_of(owner.user, std::move(name), std::move(submission));
  Announcement announcement{.id = id,
                            .origin = event.origin,
                            .doc_id = event.doc_id,
                            .request = {},
                            .at_ms = event.head.time_ms,
                            .deletes = true};
  const auto channel = event.is_conversation ? ports::Channel::chat : ports::Channel::upload;
  auto record = record_of(channel, event.head, wire::make_delete_event(event));
  if (has_key) announcement.request = deletion_request_hash(deps.ids, owner.tenant, event);
  co_return co_await announce_and_publish(deps, context, owner.tenant, std::move(announcement),
                                          std::move(record));
}

}  // namespace memseal::index
