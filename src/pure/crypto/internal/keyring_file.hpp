#pragma once
// The keyring file: a version line, then one key a line, in base64.
//
//   # memseal keyring: keep it secret, keep a copy apart from the database's backups
//   version: 1
//   tenant: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
//   ids: …
//   token: …
//   dead_letters: …
//   kek_1: …              (key encryption key of epoch 1; the highest epoch seals)
//
// Version 2 has generations of every key that can be replaced, and names the current one:
//
//   version: 2
//   tenant: …
//   ids: …
//   token_1: …
//   token_2: …
//   token_current: 1      (a newer one is staged)
//   dead_letters_1: …
//   dead_letters_current: 1
//   kek_1: …
//   kek_current: 1
//
// Each name stands once, in any order. Keys have 32 to 128 bytes, a kek exactly 32. Empty lines
// and lines that begin with # are ignored. Every other line is refused.
// A ring is written as version 1 where that can express it, so that releases which know version 1
// alone read it.
#include "base/result.hpp"
#include "base/secret.hpp"
#include "pure/crypto/keyring.hpp"

#include <filesystem>
#include <string_view>

namespace memseal::crypto {

inline constexpr std::size_t root_key_bytes_min = 32, root_key_bytes_max = 128;
inline constexpr std::size_t keyring_file_bytes_max = 65'536;

struct RootKeys {
  SecretBytes tenant, ids;
  KeyGenerations token, dead_letters, keks;

  KeyGenerations& of(RootKey kind) noexcept;
};

/// Errors: key_invalid, which names the line and the fix, and never the key.
Result<RootKeys> parse_keyring(std::string_view text);

/// The file's text of these keys; holds secrets, as SecretBytes.
SecretBytes format_keyring(const RootKeys& keys);

/// Reads a file that only its owner may read, or that root gives to a group.
/// Errors: key_missing if it does not exist; key_invalid if others may read it, if it is not a
/// plain file, if another user owns it, or if it is too long.
Result<SecretBytes> read_secret_file(const std::filesystem::path& file);

/// Writes the whole file or nothing. The bytes are on disk when it returns.
/// A new file has mode 0600. With `replace` the file exists and keeps its owner, its group and the
/// owner's rights; of a link, the file that the link names is replaced.
/// Errors: key_invalid if the file exists and `replace` is false, or if it does not exist and
/// `replace` is true.
Result<void> write_secret_file(const std::filesystem::path& file, ByteView bytes, bool replace);

/// A key is weak that repeats one byte: a placeholder, not a secret.
bool is_weak_key(ByteView key) noexcept;

}  // namespace memseal::crypto
