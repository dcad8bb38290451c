#include "cases/index/submit.hpp"

#include "cases/index/internal/announce.hpp"
#include "pure/wire/event.hpp"

#include <utility>

namespace memseal::index {

namespace {

/// The document's name: the client's own, or a derived one. The derivation is keyed, because names
/// are stored in the clear and a plain hash would let a reader of the database test guesses of the
/// content.
Result<DocId> doc_id_of(const crypto::IdDeriver& ids, const crypto::Tenant& tenant,
                        const Submission& submission) {
  if (!submission.doc_id.empty()) return DocId::parse(submission.doc_id);
  const auto derived = ids.event_id(tenant, "memseal/document",
                                    submission.name + '\0' + submission.text);
  return DocId::parse("api-" + derived.to_string());
}

wire::UploadEvent event_of(const UserId& user, std::string event_id, const DocId& doc_id,
                           Submission submission) {
  wire::EventHead head{std::move(event_id), std::string(event_source), user, submission.at_ms};
  wire::UploadEvent event{.head = std::move(head),
                          .doc_id = doc_id,
                          .name = std::move(submission.name),
                          .mime_type = std::move(submission.mime_type),
                          .text = std::move(submission.text),
                          .tags = std::move(submission.tags),
                          .attributes_json = std::move(submission.attributes_json),
                          .origin = Origin::api};
  event.file = submission.file;
  return event;
}

/// A keyed hash of what the client asked for, without what differs between repetitions (the time).
Uuid request_hash(const crypto::IdDeriver& ids, const crypto::Tenant& tenant,
                  const wire::UploadEvent& event) {
  Words words;
  words.add(event.doc_id.value()).add(event.name).add(event.mime_type).add(event.text);
  words.add(event.attributes_json);
  if (event.file) words.add(event.file->to_string());
  for (const auto& tag : event.tags) words.add(tag);
  return ids.event_id(tenant, "memseal/request", words.text());
}

}  // namespace

asio::awaitable<Result<ports::Operation>> submit(const IndexDeps& deps,
                                                 runtime::RequestContext context, Owner owner,
                                                 Submission submission) {
  const auto doc_id = doc_id_of(deps.ids, owner.tenant, submission);
  if (!doc_id) co_return doc_id.error();
  const bool has_key = !submission.idempotency_key.empty();
  auto name = event_name_of(submission.idempotency_key);
  Announcement announcement{.id = deps.ids.event_id(owner.tenant, event_source, name),
                            .origin = Origin::api,
                            .doc_id = *doc_id,
                            .request = {},
                            .at_ms = submission.at_ms};
  const auto event = event_of(owner.user, std::move(name), *doc_id, std::move(submission));
  auto record = record_of(ports::Channel::upload, event.head, wire::make_upload_event(event));
  if (auto too_large = check_record_size(record, "the document makes", "/text"))
    co_return *too_large;
  if (auto too_large = check_meta_size(wire::meta_of(event).size())) co_return *too_large;
  if (has_key) announcement.request = request_hash(deps.ids, owner.tenant, event);
  co_return co_await announce_and_publish(deps, context, owner.tenant, std::move(announcement),
                                          std::move(record));
}

}  // namespace memseal::index
