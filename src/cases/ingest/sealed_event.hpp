#pragma once
// An event that memseal itself publishes, sealed on its way through Kafka under its tenant's key.
//
//   key      = the tenant's user_hash, 64 hex digits
//   headers  = content-type: application/vnd.memseal.sealed-event, memseal-event-id: <UUID>
//   value    = the whole record as it would lie there otherwise (its key, value and headers, with
//              the signature), sealed as internal/sealed_record.hpp says, with "MSEV1"
//
// The AAD binds it to tenant, event and topic: a copy in another topic or under another key opens
// nowhere.
#include "ports/event_sink.hpp"
#include "ports/event_source.hpp"
#include "pure/crypto/sealer.hpp"

#include <optional>
#include <string_view>

namespace memseal::ingest {

inline constexpr std::string_view sealed_event_type = "application/vnd.memseal.sealed-event";

/// What a sealed event says of itself in the clear.
struct SealedEvent {
  UserHash owner;
  Uuid event_id;
  std::uint32_t key_id = 0;  ///< generation of the tenant's key
};

/// Whether `record` says that it is a sealed event. Reads one header.
bool says_sealed(const ports::Record& record) noexcept;
/// What it says. Error: open_failed where it is malformed. Never throws on input.
Result<SealedEvent> read_sealed_event(const ports::Record& record);

/// Puts the sealed event in the place of `record`, which keeps its channel and time.
/// Error: seal_failed.
Result<void> seal_event(const crypto::Tenant& owner, const crypto::TenantKey& key,
                        const Uuid& event_id, std::string_view topic, ports::OutRecord& record);
/// The record that was sealed, at the place and time of `sealed`. Error: open_failed.
Result<ports::Record> open_event(const crypto::Tenant& owner, const crypto::TenantKey& key,
                                 const SealedEvent& what, const ports::Record& sealed);

}  // namespace memseal::ingest
