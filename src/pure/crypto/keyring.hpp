#pragma once
// Keys at rest. A keyring file (mode 0600) holds the root keys. Those that can be replaced stand in
// it in generations: the current one makes, all of them read. A key-encryption key (KEK) wraps each
// tenant's random content key (DEK); its generation is called epoch.
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
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

inline constexpr std::size_t generations_max = 64;  ///< of one key that a keyring may hold

/// The root keys that can be replaced.
enum class RootKey {
  kek,           ///< wraps tenants' keys
  token,         ///< signs and verifies bearer tokens (HS256)
  dead_letters,  ///< seals dead letters whose user is unknown
};
inline constexpr std::array root_key_kinds{RootKey::kek, RootKey::token, RootKey::dead_letters};

/// "kek", "token" or "dead-letters", as the command line spells them.
std::string_view root_key_name(RootKey kind) noexcept;
std::optional<RootKey> parse_root_key(std::string_view name) noexcept;

/// The generations of one root key, by number from 1.
struct KeyGenerations {
  std::map<std::uint32_t, SecretBytes> keys;
  /// Makes; all open and verify. A newer one is staged: it waits until every process has it.
  std::uint32_t current = 0;
};

/// 16 bytes derived from a key, which name it and show nothing of it.
using KeyCheckValue = std::array<std::uint8_t, 16>;

/// What may be shown of one root key.
struct RootKeyInfo {
  RootKey kind = RootKey::kek;
  std::uint32_t generation = 0;
  enum class State { reads, current, staged } state = State::reads;
  KeyCheckValue check{};
};

/// An HS256 key and what tokens call it.
struct TokenKey {
  std::string kid;  ///< the generation in decimal digits
  ByteView key;     ///< lives as long as the keyring
};

/// The root secrets of a deployment, each for one purpose. Immutable.
/// Thread: any.
class Keyring {
 public:
  /// Writes a new keyring with random keys to `file`, with mode 0600.
  /// Error: key_invalid when the file exists, because overwriting it would lose every tenant's key.
  static Result<void> create(const std::filesystem::path& file);
  // The three changes of a keyring's file. Each is all or nothing, and the file keeps its owner and
  // mode. Errors: as load(). NOTE: of two at once one is lost, so the caller holds a lock.

  /// Adds a random key that opens and verifies, and makes nothing yet. Returns its generation, or
  /// that of the key which is staged already.
  static Result<std::uint32_t> stage(const std::filesystem::path& file, RootKey kind);
  /// Makes a key the current one. Error: key_missing for a generation that is not there.
  static Result<void> promote(const std::filesystem::path& file, RootKey kind,
                              std::uint32_t generation);
  /// Deletes a key. Errors: key_missing for a generation that is not there; key_invalid for the
  /// current one.
  static Result<void> remove(const std::filesystem::path& file, RootKey kind,
                             std::uint32_t generation);
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
  /// The HS256 key that signs, at least 32 bytes; empty when from_keys() got none.
  ByteView token_key() const noexcept;
  std::string token_kid() const { return std::to_string(token_.current); }
  /// Every key that verifies tokens, the oldest first.
  std::vector<TokenKey> token_keys() const;

  /// A new random DEK of generation `key_id` for `owner`, wrapped by the current KEK epoch.
  Result<WrappedKey> make_tenant_key(const Tenant& owner, std::uint32_t key_id) const;
  /// Errors: key_missing for an unknown epoch; open_failed for another tenant's key or a damaged
  /// one.
  Result<TenantKey> unwrap(const Tenant& owner, const WrappedKey& wrapped) const;
  /// Wraps the same DEK by the current KEK epoch. A KEK rotation does this to each row.
  Result<WrappedKey> rewrap(const Tenant& owner, const WrappedKey& wrapped) const;
  std::uint32_t kek_epoch() const noexcept { return keks_.current; }
  /// The newest KEK that is there, staged or not.
  std::uint32_t newest_kek() const noexcept { return keks_.keys.rbegin()->first; }

  /// The key by which the service signs the events that it publishes itself.
  SigningKey event_key() const;
  /// The key by which receipts of erasures are signed (Ed25519).
  SigningKey receipt_key() const;
  /// The root of audit::Marks: the keyed hashes in the audit log, and the links of its chains.
  SecretBytes audit_key() const;
  /// The key by which checkpoints of the audit log are signed (Ed25519).
  SigningKey audit_signer() const;
  /// The key that seals dead letters whose tenant is unknown.
  TenantKey dead_letter_key() const;
  /// The one of a generation, to open with. Error: key_missing.
  Result<TenantKey> dead_letter_key(std::uint32_t generation) const;
  /// HMAC of a fixed text under the tenant key. Each database stores it once, so that a start with
  /// the wrong key is refused. Without the check that start would find no tenant's rows.
  std::array<std::uint8_t, 16> tenant_key_check() const;

  /// What may be shown of the keys that can be replaced, by kind and generation.
  std::vector<RootKeyInfo> list() const;
  /// Check value of each KEK, by epoch.
  std::map<std::uint32_t, KeyCheckValue> kek_checks() const;
  /// Whether this is `before` after changes that a keyring's life has: the keys that name users and
  /// ids are the same, so is each generation that both have (but for those that were only staged),
  /// and no current key is an older one than before. Error: key_invalid.
  Result<void> check_succeeds(const Keyring& before) const;

 private:
  Keyring() = default;
  Result<WrappedKey> wrap(const Tenant& owner, const TenantKey& key) const;
  const KeyGenerations& generations(RootKey kind) const noexcept;
  SecretBytes tenant_key_, id_key_;
  KeyGenerations token_, dead_letters_, keks_;
};

}  // namespace memseal::crypto
