#include "cases/ingest/sealed_event.hpp"

#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/internal/record_headers.hpp"
#include "cases/ingest/internal/sealed_record.hpp"
#include "pure/codec/hex.hpp"

#include <algorithm>
#include <utility>

namespace memseal::ingest {

namespace {

SealedKind of_events(std::string_view topic) {
  return {.envelope = "MSEV1",
          .magic = "MSEV1",
          .field = crypto::Field::event,
          .purpose = "event",
          .topic = std::string(topic)};
}

Error not_sealed() { return {Errc::open_failed, "the sealed event does not open"}; }

}  // namespace

bool says_sealed(const ports::Record& record) noexcept {
  return std::ranges::any_of(record.headers, [](const auto& header) {
    return header.first == "content-type" && header.second == sealed_event_type;
  });
}

Result<SealedEvent> read_sealed_event(const ports::Record& record) {
  const auto hash = codec::decode_hex(record.key);
  const auto id = Uuid::parse(value_of(record, letter_header::event_id).value_or(""));
  const auto key_id = record_key_id(of_events(record.topic), record.value);
  SealedEvent what;
  if (!hash || hash->size() != what.owner.bytes.size() || !id || !key_id) return not_sealed();
  std::copy(hash->begin(), hash->end(), what.owner.bytes.begin());
  what.event_id = *id;
  what.key_id = *key_id;
  return what;
}

Result<void> seal_event(const crypto::Tenant& owner, const crypto::TenantKey& key,
                        const Uuid& event_id, std::string_view topic, ports::OutRecord& record) {
  ports::Record plain{.key = std::move(record.key), .value = std::move(record.value)};
  plain.headers = std::move(record.headers);
  auto sealed = seal_record(of_events(topic), owner, key, event_id, plain);
  wipe(plain.value.data(), plain.value.size());
  if (!sealed) return sealed.error();
  record.placed_by = std::exchange(plain.key, owner.hash().to_hex());
  record.key = plain.key;
  record.value = std::move(*sealed);
  record.headers = {{"content-type", std::string(sealed_event_type)},
                    {std::string(letter_header::event_id), event_id.to_string()}};
  return {};
}

Result<ports::Record> open_event(const crypto::Tenant& owner, const crypto::TenantKey& key,
                                 const SealedEvent& what, const ports::Record& sealed) {
  auto opened = open_record(of_events(sealed.topic), owner, key, what.event_id, sealed.value);
  if (!opened) return not_sealed();
  opened->topic = sealed.topic;
  opened->partition = sealed.partition;
  opened->offset = sealed.offset;
  opened->timestamp_ms = sealed.timestamp_ms;
  opened->has_broker_time = sealed.has_broker_time;
  opened->taken_bytes = sealed.bytes();
  return opened;
}

}  // namespace memseal::ingest
