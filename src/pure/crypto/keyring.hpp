#pragma once
// Keys at rest. A keyring file (mode 0600) holds the root keys and one key-encryption key (KEK) an
// epoch. A KEK wraps each tenant's random content key (DEK).
#include "base/result.hpp"
#include "base/secret.hpp"
#include "pure/crypto/content_hash.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/signing_key.hpp"
#include "pure/crypto/tenant.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string_view>

namespace memseal::crypto {

/// A DEK as table app.tenant_keys holds it. Sealer wraps it under TenantKey{kek_epoch, kek} at
/// SealBinding{object: zero, doc_id: empty, chunk_index: key_id}. The wrapped key therefore opens
/// for its own tenant and generation only.
struct WrappedKey {
  std::uint32_t key_id = 0;
  std::uint32_t kek_epoch = 0;
  Bytes wrapped;                         ///< SB1 blob, field wrapped_key, 65 bytes
  std::array<std::uint8_t, 16> check{};  ///< key check value: HKDF(DEK, "memseal/kcv/v1")[0,16)
};

inline constexpr std::size_t keks_max = 64;  ///< epochs that one keyring may hold

/// The root secrets of a deployment, each for one purpose. Immutable.
/// Thread: any.
class Keyring {
 public:
  /// Writes a new keyring with random keys to `file`, with mode 0600.
  /// Error: key_invalid when the file exists, because overwriting it would lose every tenant's key.
  static Result<void> create(const std::filesystem::path& file);
  /// Adds a random KEK of the next epoch to the keyring in `file`, all or nothing, and returns the
  /// epoch. Keys that older epochs wrapped stay valid; rewrap() moves them to the new epoch.
  static Result<std::uint32_t> add_kek(const std::filesystem::path& file);
  /// Reads a keyring file. Each message names the fix.
  /// Errors: key_missing for a missing file; key_invalid for a file that others may read, a
  /// malformed line or a short key.
  static Result<Keyring> load(const std::filesystem::path& file);
  /// Makes a keyring of keys given one by one: MEMORY_TENANT_HMAC_KEY, MEMORY_ENCRYPTION_KEY and a
  /// token key.
  /// REQUIRES: each is base64 or hex of 32 to 128 bytes, and all differ. The token key may be empty
  /// where a JWK Set verifies tokens.
  /// HKDF derives the key of ids from the tenant key, and the KEK of epoch 1 and the dead letters'
  /// key from the encryption key.
  /// NOTE: an even number of hex digits is read as hex, also where it could be base64.
  static Result<Keyring> from_keys(std::string_view tenant_hmac_key,
                                   std::string_view encryption_key, std::string_view token_key);

  TenantKeyer tenant_keyer() const;
  IdDeriver id_deriver() const;
  FileHasher file_hasher() const;
  /// The HS256 key, at least 32 bytes; empty when from_keys() got none.
  ByteView token_key() const noexcept { return token_key_.view(); }

  /// A new random DEK of generation `key_id` for `owner`, wrapped by the current KEK epoch.
  Result<WrappedKey> make_tenant_key(const Tenant& owner, std::uint32_t key_id) const;
  /// Errors: key_missing for an unknown epoch; open_failed for another tenant's key or a damaged
  /// one.
  Result<TenantKey> unwrap(const Tenant& owner, const WrappedKey& wrapped) const;
  /// Wraps the same DEK by the current KEK epoch. A KEK rotation does this to each row.
  Result<WrappedKey> rewrap(const Tenant& owner, const WrappedKey& wrapped) const;
  std::uint32_t kek_epoch() const noexcept { return keks_.rbegin()->first; }

  /// The key by which the service signs the events that it publishes itself.
  SigningKey event_key() const;
  /// The key by which receipts of erasures are signed (Ed25519).
  SigningKey receipt_key() const;
  /// The key for dead letters whose tenant is unknown.
  TenantKey dead_letter_key() const;
  /// HMAC of a fixed text under the tenant key. Each database stores it once, so that a start with
  /// the wrong key is refused. Without the check that start would find no tenant's rows.
  std::array<std::uint8_t, 16> tenant_key_check() const;

 private:
  Keyring() = default;
  Result<WrappedKey> wrap(const Tenant& owner, const TenantKey& key) const;
  SecretBytes tenant_key_, id_key_, token_key_, dead_letter_key_;
  std::map<std::uint32_t, SecretBytes> keks_;  ///< by epoch; the highest is current
};

}  // namespace memseal::crypto
