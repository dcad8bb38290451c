#pragma once
// Keyed hashes of files. Without the key a hash tells nothing, not even to who guesses the content.
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/tenant.hpp"

#include <memory>
#include <string_view>
#include <utility>

namespace memseal::crypto {

/// HMAC-SHA256 of one content, given in pieces.
/// Thread: one at a time. Throws Refused{bad_config} when OpenSSL cannot compute.
class ContentHash {
 public:
  explicit ContentHash(const SecretBytes& key);
  ~ContentHash();
  ContentHash(ContentHash&&) noexcept;
  ContentHash& operator=(ContentHash&&) noexcept;

  /// Of what was given so far. To copy one that has a key takes a third of the time of making one.
  ContentHash copy() const;
  void update(ByteView piece);
  Digest finish();  ///< call once, last

 private:
  struct State;
  explicit ContentHash(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Names contents, names and tags of files by keyed hashes. Each tenant has a key of its own,
/// HMAC(HKDF(K_ev, "memseal/files/v1"), "tenant" ‖ user_hash). It comes from K_ev, the key of ids,
/// and not from the tenant's content key, because that one is replaced in time and equal contents
/// must stay equal.
/// Immutable. Thread: any.
class FileHasher {
 public:
  /// REQUIRES: `key` has 32 bytes.
  explicit FileHasher(SecretBytes key) : key_(std::move(key)) {}

  /// Equal contents of one tenant have equal hashes.
  ContentHash content(const Tenant& owner) const;
  Uuid name(const Tenant& owner, std::string_view text) const;
  Uuid tag(const Tenant& owner, std::string_view text) const;
  /// The id of the file that a client's Idempotency-Key stands for.
  Uuid id_of_request(const Tenant& owner, std::string_view idempotency_key) const;
  /// The hash under which the deployment itself keeps rows. No user has it.
  UserHash deployment() const;

 private:
  SecretBytes tenant_key(const Tenant& owner, std::string_view purpose) const;
  Uuid hashed(const Tenant& owner, std::string_view purpose, std::string_view text) const;

  SecretBytes key_;
};

}  // namespace memseal::crypto
