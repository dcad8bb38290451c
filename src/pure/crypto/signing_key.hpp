#pragma once
// Keys that sign messages: Ed25519 (RFC 8032), or HMAC-SHA-256 where both sides share a secret.
#include "base/result.hpp"
#include "base/secret.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

namespace memseal::crypto {

enum class SignatureAlgorithm { ed25519, hmac_sha256 };

/// "ed25519" or "hmac-sha256".
std::string_view signature_algorithm_name(SignatureAlgorithm algorithm) noexcept;
std::optional<SignatureAlgorithm> parse_signature_algorithm(std::string_view name) noexcept;

inline constexpr std::size_t ed25519_key_bytes = 32;
inline constexpr std::size_t hmac_secret_bytes_min = 32, hmac_secret_bytes_max = 128;

/// What a key file begins with that holds a secret for HMAC; the secret follows in base64.
inline constexpr std::string_view hmac_file_prefix = "hmac-sha256:";

/// Verifies signatures of one key. A key is bound to its algorithm: a signature cannot choose one.
/// Immutable; copies share the key.
/// Thread: any.
class VerifyingKey {
 public:
  /// `bytes`: the public key (32 bytes), or the secret of HMAC (32 to 128 bytes).
  /// Error: key_invalid.
  static Result<VerifyingKey> from_bytes(SignatureAlgorithm algorithm, ByteView bytes);
  /// Reads a key file: PEM of an Ed25519 key (public, or private of which the public half is
  /// taken), or hmac_file_prefix and a secret.
  /// Error: key_invalid, which never quotes the text.
  static Result<VerifyingKey> parse(std::string_view file);

  SignatureAlgorithm algorithm() const noexcept;
  /// What from_bytes() takes. NOTE: the secret itself for HMAC.
  ByteView bytes() const noexcept;
  bool verify(ByteView message, ByteView signature) const;

 private:
  friend class SigningKey;
  struct Key;
  explicit VerifyingKey(std::shared_ptr<const Key> key) : key_(std::move(key)) {}
  std::shared_ptr<const Key> key_;
};

/// Makes signatures. Immutable; copies share the key.
/// Thread: any.
class SigningKey {
 public:
  static SigningKey random(SignatureAlgorithm algorithm);
  /// `secret`: the seed of Ed25519 (32 bytes), or the secret of HMAC (32 to 128 bytes).
  /// Error: key_invalid.
  static Result<SigningKey> from_bytes(SignatureAlgorithm algorithm, ByteView secret);
  /// Reads a key file: PEM of a private Ed25519 key (PKCS #8, not encrypted), or hmac_file_prefix
  /// and a secret.
  /// Error: key_invalid, which never quotes the text.
  static Result<SigningKey> parse(std::string_view file);
  /// The text of a key file: what parse() reads.
  SecretBytes file() const;

  VerifyingKey verifying_key() const;
  /// 64 bytes of Ed25519, 32 bytes of HMAC. The same message gives the same signature.
  /// Throws Refused{bad_config} where OpenSSL cannot compute.
  Bytes sign(ByteView message) const;

 private:
  using Key = VerifyingKey::Key;
  explicit SigningKey(std::shared_ptr<const Key> key) : key_(std::move(key)) {}
  std::shared_ptr<const Key> key_;
};

}  // namespace memseal::crypto
