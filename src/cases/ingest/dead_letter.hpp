#pragma once
// A record that could not be ingested, sealed for whoever may look at it later.
//
//   envelope = "MSDL1" (5) ‖ key ‖ value ‖ u32 header count ‖ (name ‖ value)…, each string u32
//              length ‖ bytes, big-endian: everything a replay needs
//   value    = "MSDL1" (5) ‖ u32 number of parts ‖ (u32 length ‖ SB1 blob)…
//
// A part holds at most limits::seal_bytes_max bytes of the envelope. Its AAD names the event id
// (SealBinding::object), its index, and the number of parts (SealBinding::doc_id
// "dead-letter/<n>"), so parts can be neither reordered nor dropped.
#include "ports/event_source.hpp"
#include "pure/crypto/sealer.hpp"

#include <string>
#include <string_view>

namespace memseal::ingest {

/// Seals key, value and headers of `record`. seal_failed when it cannot.
Result<std::string> seal_dead_letter(const crypto::Tenant& owner, const crypto::TenantKey& key,
                                     const Uuid& event_id, const ports::Record& record);

/// The record back: key, value, headers. open_failed for every cause alike.
Result<ports::Record> open_dead_letter(const crypto::Tenant& owner, const crypto::TenantKey& key,
                                       const Uuid& event_id, std::string_view sealed);

/// Key generation that opens `sealed`; open_failed when it is no dead letter.
Result<std::uint32_t> dead_letter_key_id(std::string_view sealed);

/// Who owns dead letters whose user is unknown or unproven; sealed under the keyring's own key.
crypto::Tenant nobody(const crypto::TenantKeyer& keyer);

}  // namespace memseal::ingest
