#pragma once
// The detached signature of an event, in a header of its record.
//
//   memseal-signature: v1.<key id>.<time>.<signature>
//
// The key id names a key of the registry, the time is when the event was signed (Unix ms), and the
// signature is base64url without padding. The signed message is these fields, each as u32 length
// (big-endian) ‖ bytes:
//
//   "memseal/event-signature/v1", key id, time, topic, record key, event id, event source,
//   SHA-256 of the value (32 bytes), number of covered headers, then name and value of each of them
//
// Numbers are decimal text. Covered are the headers that ingest reads: content-type (its name in
// lower case) and all whose names begin with ce_ or ce-, in the order of their names' bytes.
// The signature of a replay says "memseal/replay-signature/v1" instead, and also covers
// memseal-signature and all headers memseal-original-*.
#include "pure/crypto/signing_key.hpp"
#include "pure/wire/event.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::producers {

using Headers = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::size_t key_id_bytes_max = 64;

/// True for 1 to 64 of A-Z a-z 0-9 _ and -.
bool is_key_id(std::string_view text) noexcept;

/// The id of a key: 20 hex digits made from the key, so that two keys have different ones and
/// nobody has to invent any. The id of a secret shows nothing of it.
std::string key_id_of(const crypto::VerifyingKey& key);

struct Signature {
  std::string key_id;
  std::int64_t time_ms = 0;
  Bytes bytes;
};

/// Nothing unless `header` is one signature in its one spelling.
std::optional<Signature> parse_signature(std::string_view header);
std::string format_signature(const Signature& signature);

/// What is signed of a record. `id` and `source` are the event's; empty where it has none.
struct SignedEvent {
  std::string_view topic, key, id, source, value;
  const Headers& headers;
};

enum class Purpose { event, replay };

/// The message that a signature by `key_id` at `time_ms` is about.
Bytes signed_message(const SignedEvent& event, Purpose purpose, std::string_view key_id,
                     std::int64_t time_ms);

/// A producer's private key and its id. Thread: any.
class Signer {
 public:
  /// REQUIRES: is_key_id(key_id).
  Signer(std::string key_id, crypto::SigningKey key);

  const std::string& key_id() const noexcept { return key_id_; }
  /// The value of the header, signed at `now_ms`.
  std::string sign(const SignedEvent& event, Purpose purpose, std::int64_t now_ms) const;
  /// Adds the header of `purpose` to `headers`, in place of one that is there.
  void add_signature(std::string_view topic, std::string_view key, std::string_view id,
                     std::string_view source, std::string_view value, Headers& headers,
                     Purpose purpose, std::int64_t now_ms) const;

 private:
  std::string key_id_;
  crypto::SigningKey key_;
};

/// "memseal-signature" or "memseal-replay-signature".
std::string_view header_of(Purpose purpose) noexcept;

}  // namespace memseal::producers
