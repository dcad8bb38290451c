#pragma once
// Keys at rest: root (a file of mode 0600) → KEK epoch → random per-tenant DEK, wrapped.
#include "base/result.hpp"
#include "base/secret.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string_view>

namespace memseal::crypto {

/// A DEK as table app.tenant_keys holds it. Wrapped by Sealer under TenantKey{kek_epoch, kek} at
/// SealBinding{object: zero, doc_id: empty, chunk_index: key_id}, so it opens as no other tenant's
/// or generation's.
struct WrappedKey {
  std::uint32_t key_id = 0;
  std::uint32_t kek_epoch = 0;
  Bytes wrapped;                         ///< SB1 blob, field wrapped_key, 65 bytes
  std::array<std::uint8_t, 16> check{};  ///< key check value: HKDF(DEK, "memseal/kcv/v1")[0,16)
};

inline constexpr std::size_t keks_max = 64;  ///< epochs that one keyring may hold

/// The root secrets of a deployment, each for one purpose. Immutable; any thread.
class Keyring {
 public:
  /// Writes a new keyring with random keys to `file` (created with mode 0600; refuses to
  /// overwrite: key_invalid).
  static Result<void> create(const std::filesystem::path& file);
  /// Adds a random KEK of the next epoch to the keyring in `file`, all or nothing; returns the
  /// epoch. What is wrapped stays valid; rewrap() moves it over.
  static Result<std::uint32_t> add_kek(const std::filesystem::path& file);
  /// Reads a keyring file. Refuses one that others may read, a malformed line, a short key
  /// (key_invalid), a missing file (key_missing); each message names the mend.
  static Result<Keyring> load(const std::filesystem::path& file);
  /// From keys given one by one (MEMORY_TENANT_HMAC_KEY, MEMORY_ENCRYPTION_KEY and a token key,
  /// each base64 or hex of 32 to 128 bytes, all different; the token key may be empty where a JWK
  /// Set verifies tokens). Ids are derived by HKDF from the tenant key, the KEK of epoch 1 and the
  /// dead letters' key from the encryption key. An even number of hex digits is read as hex.
  static Result<Keyring> from_keys(std::string_view tenant_hmac_key,
                                   std::string_view encryption_key, std::string_view token_key);

  TenantKeyer tenant_keyer() const;
  IdDeriver id_deriver() const;
  /// The HS256 key, >= 32 bytes; empty where from_keys was given none.
  ByteView token_key() const noexcept { return token_key_.view(); }

  /// A new random DEK of generation `key_id` for `owner`, wrapped by the current KEK epoch.
  Result<WrappedKey> make_tenant_key(const Tenant& owner, std::uint32_t key_id) const;
  /// key_missing: unknown epoch; open_failed: not this tenant's, or damaged.
  Result<TenantKey> unwrap(const Tenant& owner, const WrappedKey& wrapped) const;
  /// The same DEK, wrapped by the current KEK epoch: what a KEK rotation does to each row.
  Result<WrappedKey> rewrap(const Tenant& owner, const WrappedKey& wrapped) const;
  std::uint32_t kek_epoch() const noexcept { return keks_.rbegin()->first; }

  /// The key for dead letters whose tenant is unknown.
  TenantKey dead_letter_key() const;
  /// HMAC of a fixed text under the tenant key: stored once per database, so that a start with
  /// the wrong key is refused instead of hiding every row.
  std::array<std::uint8_t, 16> tenant_key_check() const;

 private:
  Keyring() = default;
  Result<WrappedKey> wrap(const Tenant& owner, const TenantKey& key) const;
  SecretBytes tenant_key_, id_key_, token_key_, dead_letter_key_;
  std::map<std::uint32_t, SecretBytes> keks_;  ///< by epoch; the highest is current
};

}  // namespace memseal::crypto
