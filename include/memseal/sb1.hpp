#pragma once
// The sealed format of memseal, SB1, for other programs: read what memseal has sealed, seal what
// memseal is to read, and name a user as memseal does. Needs OpenSSL 3 at run time.
//
//   SB1 = format 0x01 (1) ‖ key id (4) ‖ nonce (12) ‖ ciphertext (n) ‖ tag (16)
//   AAD = "MEMSEAL1" (8) ‖ format 0x01 (1) ‖ key id (4) ‖ field (1) ‖ 0 (2) ‖ user hash (32)
//         ‖ object (16) ‖ first 16 bytes of SHA-256(doc id) ‖ chunk index (4)      = 84 bytes
//
// AES-256-GCM under a random 96-bit nonce. Numbers are big-endian; sizes are in bytes. A blob that
// was moved to another user, field, object, document or position does not open.
//
// Thread: every function may be called from any thread at any time.
// NOTE: each thread keeps the key schedules of the 8 keys that it used last. They are wiped when
//       the thread ends or after forget_keys().
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace memseal::sb1 {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline constexpr std::size_t key_bytes = 32;           ///< of a content key
inline constexpr std::size_t hmac_key_bytes_min = 32;  ///< of the key for user ids
inline constexpr std::size_t overhead_bytes = 33;  ///< a blob is this much longer than its plain
inline constexpr std::size_t plain_bytes_max = 65'536;
/// Seals allowed under one key. The caller counts them, because a random nonce repeats too likely
/// after that many (NIST SP 800-38D, 8.3).
inline constexpr std::uint64_t seals_per_key_max = std::uint64_t{1} << 28;

/// What a blob holds. The values are part of the format.
enum class Field : std::uint8_t {
  text = 1,
  meta = 2,
  embedding = 3,
  document_name = 4,
  document_meta = 5,
  wrapped_key = 6,
  dead_letter = 7,
  terms = 8,
  event = 9,
};

/// HMAC-SHA256 of a user id: the name of a user in the database and in the AAD.
using UserHash = std::array<std::uint8_t, 32>;

/// What a blob is bound to, besides its key and field. Sealing and opening must be given the same.
struct Binding {
  UserHash user{};
  std::array<std::uint8_t, 16> object{};  ///< UUID of the chunk, document or event, in byte order
  std::string_view doc_id = {};           ///< empty if the object belongs to no document
  std::uint32_t chunk_index = 0;
};

/// One user's content key. Only looks at the caller's bytes, during the call.
struct Key {
  std::uint32_t id = 0;  ///< generation of the user's keys, from 1
  ByteView bytes = {};   ///< key_bytes of them
};

enum class Status {
  ok,
  invalid_key,    ///< a key has the wrong length, or its id is 0
  invalid_plain,  ///< the plaintext is empty or longer than plain_bytes_max
  does_not_open,  ///< damaged, or sealed for another key, user, field, object or position
  unavailable,    ///< OpenSSL lacks or cannot compute an algorithm, or has no entropy
};

/// The sentence for people that belongs to a status. Static lifetime.
std::string_view describe(Status status) noexcept;

/// `bytes` is empty unless `status` is ok.
struct Outcome {
  Status status = Status::ok;
  Bytes bytes = {};
  explicit operator bool() const noexcept { return status == Status::ok; }
};

/// Names a user as memseal does: HMAC-SHA256(key, bytes of the id).
/// Returns nothing if `key` is shorter than hmac_key_bytes_min, or if `user_id` is not 1 to 256
/// bytes of UTF-8, or if OpenSSL cannot compute HMAC-SHA256.
std::optional<UserHash> hmac_user(ByteView key, std::string_view user_id);

/// Seals `plain`. Two seals of one plaintext differ, because each draws a nonce.
/// Errors: invalid_key, invalid_plain, unavailable.
Outcome seal(const Key& key, Field field, const Binding& binding, ByteView plain);

/// Opens a blob. No byte of plaintext is returned before its tag is verified.
/// Errors: invalid_key, does_not_open (one status for every cause), unavailable.
/// NOTE: the caller wipes the plaintext when it is done with it.
Outcome open_sealed(const Key& key, Field field, const Binding& binding, ByteView sealed);

/// The id of the key that opens `sealed`. Returns nothing if `sealed` is not an SB1 blob.
std::optional<std::uint32_t> key_id_of(ByteView sealed) noexcept;

/// Makes each thread wipe its key schedules before it next seals or opens.
void forget_keys() noexcept;

}  // namespace memseal::sb1
