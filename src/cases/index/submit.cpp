#include "cases/index/submit.hpp"

#include "base/limits.hpp"
#include "pure/crypto/random.hpp"
#include "pure/wire/event.hpp"

#include <optional>
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
  return {.head = std::move(head),
          .doc_id = doc_id,
          .name = std::move(submission.name),
          .mime_type = std::move(submission.mime_type),
          .text = std::move(submission.text),
          .tags = std::move(submission.tags),
          .attributes_json = std::move(submission.attributes_json),
          .origin = Origin::api};
}

/// A keyed hash of what the client asked for, without what differs between repetitions (the time).
Uuid request_hash(const crypto::IdDeriver& ids, const crypto::Tenant& tenant,
                  const wire::UploadEvent& event) {
  std::string words;
  const auto add = [&](std::string_view word) {
    words += std::to_string(word.size()) + ':';
    words += word;
  };
  add(event.doc_id.value());
  add(event.name);
  add(event.mime_type);
  add(event.text);
  add(event.attributes_json);
  for (const auto& tag : event.tags) add(tag);
  return ids.event_id(tenant, "memseal/request", words);
}

ports::OutRecord record_of(const UserId& user, std::string event) {
  ports::OutRecord record{.channel = ports::Channel::upload,
                          .key = user.value(),
                          .value = std::move(event),
                          .headers = {}};
  record.headers.emplace_back("content-type", "application/cloudevents+json; charset=UTF-8");
  return record;
}

/// Counts as ingest does, because what is accepted here must not be refused there.
std::optional<Error> check_size(const wire::UploadEvent& event, const ports::OutRecord& record) {
  const auto bytes = wire::event_bytes(
      {.topic = {}, .key = record.key, .value = record.value, .headers = &record.headers});
  if (bytes > limits::event_bytes_max)
    return Error{Errc::payload_too_large,
                 "the document makes an event of " + std::to_string(bytes) + " bytes, more than " +
                     std::to_string(limits::event_bytes_max),
                 "/text"};
  if (wire::meta_of(event).size() > wire::meta_bytes_max)
    return Error{Errc::payload_too_large,
                 "name and attributes take more than " + std::to_string(wire::meta_bytes_max) +
                     " bytes as JSON",
                 "/attributes"};
  return {};
}

}  // namespace

asio::awaitable<Result<ports::Operation>> submit(const IndexDeps& deps,
                                                 runtime::RequestContext context, Owner owner,
                                                 Submission submission) {
  const auto doc_id = doc_id_of(deps.ids, owner.tenant, submission);
  if (!doc_id) co_return doc_id.error();
  const bool has_key = !submission.idempotency_key.empty();
  auto event_id = has_key ? submission.idempotency_key : crypto::random_uuid().to_string();
  const auto at_ms = submission.at_ms;
  const auto id = deps.ids.event_id(owner.tenant, event_source, event_id);
  const auto event = event_of(owner.user, std::move(event_id), *doc_id, std::move(submission));
  auto record = record_of(owner.user, wire::make_upload_event(event));
  if (auto too_large = check_size(event, record)) co_return *too_large;

  // Announce first, because ingest may finish the event before publish() returns, and the client
  // must find the operation from then on.
  std::optional<Uuid> request;
  if (has_key) request = request_hash(deps.ids, owner.tenant, event);
  const bool is_same = co_await deps.operations.announce(context, owner.tenant, id, Origin::api,
                                                         *doc_id, request);
  std::optional<ports::Operation> known;
  if (has_key) known = co_await deps.operations.find(context, owner.tenant, id);
  // The second condition is for operations that an older version announced, without a request.
  if (!is_same || (known && known->doc_id != doc_id->value()))
    co_return Error{Errc::invalid_field,
                    "this Idempotency-Key was used for another request; use a new one",
                    "Idempotency-Key"};
  auto operation = known.value_or(ports::Operation{.id = id,
                                                   .origin = Origin::api,
                                                   .doc_id = doc_id->value(),
                                                   .created_at_ms = at_ms,
                                                   .updated_at_ms = at_ms});
  // An operation that ended needs no second event. A queued one gets it, because the first event
  // may not have reached the broker; if both did, the ledger drops the second.
  if (operation.state == ports::OperationState::queued)
    co_await deps.events.publish(context, std::move(record));
  co_return operation;
}

}  // namespace memseal::index
