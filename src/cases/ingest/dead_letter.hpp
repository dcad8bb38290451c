#pragma once
// A record that could not be ingested, sealed for whoever may look at it later.
//
//   envelope = "MSDL1" (5) ‖ key ‖ value ‖ u32 header count ‖ (name ‖ value)…, each string u32
//              length ‖ bytes, big-endian: everything a replay needs
//   value    = "MSDL2" (5) ‖ salt (16) ‖ u32 number of parts ‖ (u32 length ‖ SB1 blob)…
//   key      = HKDF-SHA256(key of the tenant or of nobody, "memseal/dead-letter/v1" ‖ salt), of
//              this letter alone, so that no number of letters wears out a key
//
// A value of before begins with "MSDL1", has no salt, and its parts are sealed by the key itself.
//
// A part holds at most limits::seal_bytes_max bytes of the envelope. Its AAD names the event id
// (SealBinding::object), its index, and the number of parts (SealBinding::doc_id
// "dead-letter/<n>"), so parts can be neither reordered nor dropped.
#include "ports/event_sink.hpp"
#include "ports/event_source.hpp"
#include "pure/crypto/sealer.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::ingest {

/// Names of a letter's headers. They are in the clear and hold no content.
namespace letter_header {
inline constexpr std::string_view error_code = "memseal-error-code",
                                  error_message = "memseal-error-message",
                                  error_field = "memseal-error-field",
                                  error_stage = "memseal-error-stage",
                                  error_attempts = "memseal-error-attempts",
                                  topic = "memseal-original-topic",
                                  partition = "memseal-original-partition",
                                  offset = "memseal-original-offset",
                                  timestamp = "memseal-original-timestamp",
                                  event_id = "memseal-event-id",
                                  sealed_for = "memseal-sealed-for",
                                  value_omitted = "memseal-value-omitted",
                                  letter_id = "memseal-letter-id",  ///< of a letter in parts
                                  part = "memseal-part",            ///< "2/3"
                                  mark = "memseal-mark",  ///< of a record that is no letter
                                  mark_partition = "memseal-mark-partition",
                                  mark_offset = "memseal-mark-offset";
}  // namespace letter_header

/// The size of a part: what most brokers take, then half of it, because a broker does not say its
/// limit, down to the least.
inline constexpr std::size_t letter_part_bytes_first = 512 << 10,
                             letter_part_bytes_least = 16 << 10;

/// `letter` as several records, because a broker takes no record that large: each has the headers
/// of the letter, its own place among the parts, and at most `part_bytes` of the value.
std::vector<ports::OutRecord> letter_in_parts(const ports::OutRecord& letter,
                                              std::size_t part_bytes, std::string_view letter_id);

/// An error as one sentence with the place that is wrong: "/data/file is missing".
std::string sentence_of(const Error& error);

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
