#include "base/limits.hpp"
#include "cases/index/internal/announce.hpp"
#include "pure/crypto/random.hpp"
#include "pure/wire/event.hpp"
#include "pure/wire/problem.hpp"

#include <utility>

namespace memseal::index {

std::string event_name_of(const std::string& idempotency_key) {
  return idempotency_key.empty() ? crypto::random_uuid().to_string() : idempotency_key;
}

Words& Words::add(std::string_view word) {
  text_ += std::to_string(word.size());
  text_ += ':';
  text_ += word;
  return *this;
}

ports::OutRecord record_of(ports::Channel channel, const wire::EventHead& head, std::string event) {
  ports::OutRecord record{.channel = channel,
                          .key = head.user.value(),
                          .value = std::move(event),
                          .headers = {},
                          .event_id = head.id,
                          .event_source = head.source};
  record.headers.emplace_back("content-type", "application/cloudevents+json; charset=UTF-8");
  return record;
}

namespace {

/// What the seal on the way through Kafka adds (ingest/sealed_event.hpp), with the signature, the
/// headers and the frame of a record: about 1.6 KiB for one of 1 MiB. A broker of the default
/// settings takes 1 MiB and 12 bytes, and what is sealed does not compress. Kept free whether
/// events are sealed or not, so that the setting changes nobody's limit.
constexpr std::size_t room_of_seal = 4'096;
constexpr std::size_t own_event_bytes_max = limits::event_bytes_max - room_of_seal;

}  // namespace

std::optional<Error> check_record_size(const ports::OutRecord& record, std::string_view what,
                                       std::string_view field) {
  const auto bytes = wire::event_bytes(
      {.topic = {}, .key = record.key, .value = record.value, .headers = &record.headers});
  if (bytes <= own_event_bytes_max) return {};
  return Error{Errc::payload_too_large,
               std::string(what) + " an event of " + std::to_string(bytes) +
                   " bytes, more than " + std::to_string(own_event_bytes_max),
               std::string(field)};
}

std::optional<Error> check_meta_size(std::size_t meta_bytes) {
  if (meta_bytes <= wire::meta_bytes_max) return {};
  return Error{Errc::payload_too_large,
               "name and attributes take more than " + std::to_string(wire::meta_bytes_max) +
                   " bytes as JSON",
               "/attributes"};
}

asio::awaitable<Result<ports::Operation>> announce_and_publish(const IndexDeps& deps,
                                                               runtime::RequestContext context,
                                                               crypto::Tenant owner,
                                                               Announcement announcement,
                                                               ports::OutRecord record) {
  const auto& [id, origin, doc_id, request, at_ms, deletes] = announcement;
  // Nothing is announced that cannot be published, because an operation without an event stays
  // queued. A repetition of what has ended is answered all the same: it needs no event.
  if (!deps.events.reachable()) {
    std::optional<ports::Operation> ended;
    if (request) ended = co_await deps.operations.find(context, owner, id);
    if (!ended || ended->state == ports::OperationState::queued)
      co_return Error{Errc::unavailable,
                      "Kafka cannot be reached, so nothing was accepted; try again later",
                      std::string(wire::kafka_is_away)};
  }
  // Announce first, because ingest may finish the event before publish() returns, and the client
  // must find the operation from then on.
  bool is_same = false;
  if (deletes)
    is_same =
        co_await deps.operations.announce_deletion(context, owner, id, origin, doc_id, request);
  else
    is_same = co_await deps.operations.announce(context, owner, id, origin, doc_id, request);
  std::optional<ports::Operation> known;
  if (request) known = co_await deps.operations.find(context, owner, id);
  // The second condition is for operations that an older version announced, without a request.
  if (!is_same || (known && known->doc_id != doc_id.value()))
    co_return Error{Errc::invalid_field,
                    "this Idempotency-Key was used for another request; use a new one",
                    "Idempotency-Key"};
  auto operation = known.value_or(ports::Operation{.id = id,
                                                   .origin = origin,
                                                   .doc_id = doc_id.value(),
                                                   .created_at_ms = at_ms,
                                                   .updated_at_ms = at_ms});
  if (!known && deletes) operation.deleted = 0;
  // An operation that ended needs no second event. A queued one gets it, because the first event
  // may not have reached the broker; if both did, the ledger drops the second.
  if (operation.state == ports::OperationState::queued) {
    record.headers.insert(record.headers.end(), deps.headers.begin(), deps.headers.end());
    co_await deps.events.publish(context, std::move(record));
  }
  co_return operation;
}

}  // namespace memseal::index
