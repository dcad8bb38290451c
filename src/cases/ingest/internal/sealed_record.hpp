#pragma once
// A whole record, sealed in parts: what a dead letter and a sealed event have in common.
//
//   envelope = magic (5) ‖ key ‖ value ‖ u32 header count ‖ (name ‖ value)…, each string u32
//              length ‖ bytes, big-endian
//   sealed   = magic (5) ‖ salt (16) ‖ u32 number of parts ‖ (u32 length ‖ SB1 blob)…
//
// Each record is sealed under a key of its own, HKDF of the given key by purpose and salt, because
// whoever may publish decides how many records there are: so no number of them wears out the key.
// A part holds at most limits::seal_bytes_max bytes of the envelope. Its AAD names the object, its
// index, and what the record is for with the number of parts (SealBinding::doc_id), so parts can
// be neither reordered nor dropped.
#include "ports/event_source.hpp"
#include "pure/crypto/sealer.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace memseal::ingest {

/// What a record is sealed for. A record of one kind opens as no other.
struct SealedKind {
  std::string_view envelope;           ///< five bytes
  std::string_view magic;              ///< five bytes
  std::string_view magic_of_old = {};  ///< of records without a salt, sealed by the key itself
  crypto::Field field;
  std::string_view purpose;  ///< first part of SealBinding::doc_id
  std::string topic = {};    ///< second part; empty: it opens wherever it lies
};

/// Seals key, value and headers of `record`. Error: seal_failed.
Result<std::string> seal_record(const SealedKind& kind, const crypto::Tenant& owner,
                                const crypto::TenantKey& key, const Uuid& object,
                                const ports::Record& record);
/// The record back: key, value, headers. Error: open_failed, for every cause alike.
Result<ports::Record> open_record(const SealedKind& kind, const crypto::Tenant& owner,
                                  const crypto::TenantKey& key, const Uuid& object,
                                  std::string_view sealed);
/// Key generation that opens `sealed`. Error: open_failed for what was not sealed so.
Result<std::uint32_t> record_key_id(const SealedKind& kind, std::string_view sealed);

}  // namespace memseal::ingest
