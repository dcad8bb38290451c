#include "pure/crypto/keyring.hpp"

#include "base/on_exit.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/hex.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/keyring_file.hpp"
#include "pure/crypto/random.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace memseal::crypto {

namespace {

SecretBytes random_key() {
  std::array<std::uint8_t, root_key_bytes_min> key{};
  const OnExit clean([&] { wipe(key.data(), key.size()); });
  fill_random(key);
  return SecretBytes(ByteView(key));
}

std::array<std::uint8_t, 16> first_16(ByteView bytes) {
  std::array<std::uint8_t, 16> part{};
  std::copy_n(bytes.begin(), part.size(), part.begin());
  return part;
}

// Derived from the key, so it names the key and shows nothing of it.
std::array<std::uint8_t, 16> check_value(const SecretBytes& dek) {
  return first_16(derive_key(dek.view(), "memseal/kcv/v1").view());
}

// The generation stands in the place of the chunk's index. A row that gets another generation's
// wrapped key then does not open.
SealBinding wrapping_binding(std::uint32_t key_id) { return {.object = {}, .chunk_index = key_id}; }

// Hex first, because 64 hex digits are valid base64 too. Padding is optional in the url alphabet,
// because tools differ in it.
std::optional<Bytes> decode_any(std::string_view text) {
  if (auto hex = codec::decode_hex(text)) return hex;
  if (auto standard = codec::decode_base64(text, codec::Base64::standard)) return standard;
  while (text.ends_with('=')) text.remove_suffix(1);
  return codec::decode_base64(text, codec::Base64::url);
}

Result<SecretBytes> decode_key(std::string_view text, const char* name) {
  auto decoded = decode_any(text);
  if (!decoded)
    return Error{Errc::key_invalid, std::string(name) + " is neither base64 nor hex", name};
  const OnExit clean([&] { wipe(decoded->data(), decoded->size()); });
  if (decoded->size() < root_key_bytes_min || decoded->size() > root_key_bytes_max)
    return Error{
        Errc::key_invalid,
        std::string(name) + " must have 32 to 128 bytes; make one by openssl rand -base64 32",
        name};
  if (is_weak_key(*decoded))
    return Error{Errc::key_invalid,
                 std::string(name) + " is one byte repeated; make one by openssl rand -base64 32",
                 name};
  return SecretBytes(ByteView(*decoded));
}

Result<RootKeys> read_keyring(const std::filesystem::path& file) {
  const auto text = read_secret_file(file);
  if (!text) return text.error();
  auto keys = parse_keyring(text_of(text->view()));
  if (!keys) return Error{keys.error().code, keys.error().message + " (" + file.string() + ")"};
  return keys;
}

}  // namespace

Result<void> Keyring::create(const std::filesystem::path& file) {
  RootKeys keys{random_key(), random_key(), random_key(), random_key(), {}};
  keys.keks.emplace(1, random_key());
  const auto text = format_keyring(keys);
  return write_secret_file(file, text.view(), false);
}

Result<std::uint32_t> Keyring::add_kek(const std::filesystem::path& file) {
  auto keys = read_keyring(file);
  if (!keys) return keys.error();
  // parse_keyring() refuses a file without a kek.
  const auto last = keys->keks.rbegin()->first;
  if (last == std::numeric_limits<std::uint32_t>::max() || keys->keks.size() >= keks_max)
    return Error{Errc::key_invalid, "the keyring holds too many keks; remove the retired ones"};
  keys->keks.emplace(last + 1, random_key());
  const auto text = format_keyring(*keys);
  const auto written = write_secret_file(file, text.view(), true);
  if (!written) return written.error();
  return last + 1;
}

Result<Keyring> Keyring::load(const std::filesystem::path& file) {
  auto keys = read_keyring(file);
  if (!keys) return keys.error();
  Keyring ring;
  ring.tenant_key_ = std::move(keys->tenant);
  ring.id_key_ = std::move(keys->ids);
  ring.token_key_ = std::move(keys->token);
  ring.dead_letter_key_ = std::move(keys->dead_letters);
  ring.keks_ = std::move(keys->keks);
  // AES-256 takes 32 bytes, and the file allows up to 128. A key of 32 bytes is used as it is.
  if (ring.dead_letter_key_.size() != root_key_bytes_min)
    ring.dead_letter_key_ = derive_key(ring.dead_letter_key_.view(), "memseal/dead-letters/v1");
  return ring;
}

Result<Keyring> Keyring::from_keys(std::string_view tenant_hmac_key,
                                   std::string_view encryption_key, std::string_view token_key) {
  auto tenant = decode_key(tenant_hmac_key, "MEMORY_TENANT_HMAC_KEY");
  if (!tenant) return tenant.error();
  auto encryption = decode_key(encryption_key, "MEMORY_ENCRYPTION_KEY");
  if (!encryption) return encryption.error();
  SecretBytes token;
  if (!token_key.empty()) {
    auto decoded = decode_key(token_key, "token key");
    if (!decoded) return decoded.error();
    token = std::move(*decoded);
  }
  // Two purposes with one key would leak together. An absent token key is empty and equals none.
  if (equal_constant_time(tenant->view(), encryption->view()) ||
      equal_constant_time(tenant->view(), token.view()) ||
      equal_constant_time(encryption->view(), token.view()))
    return Error{Errc::key_invalid, "two of the keys are the same; each purpose needs its own"};
  Keyring ring;
  // Ids and dead letters have no setting of their own. HKDF gives each purpose its own key, so that
  // what one of them shows says nothing about the others.
  ring.id_key_ = derive_key(tenant->view(), "memseal/ids/v1");
  ring.dead_letter_key_ = derive_key(encryption->view(), "memseal/dead-letters/v1");
  ring.keks_.emplace(1, derive_key(encryption->view(), "memseal/kek/v1"));
  ring.tenant_key_ = std::move(*tenant);
  ring.token_key_ = std::move(token);
  return ring;
}

TenantKeyer Keyring::tenant_keyer() const { return TenantKeyer(tenant_key_.clone()); }

IdDeriver Keyring::id_deriver() const { return IdDeriver(id_key_.clone()); }

FileHasher Keyring::file_hasher() const {
  return FileHasher(derive_key(id_key_.view(), "memseal/files/v1"));
}

Result<WrappedKey> Keyring::wrap(const Tenant& owner, const TenantKey& key) const {
  // The newest epoch wraps; older ones only unwrap.
  const auto& [epoch, kek] = *keks_.rbegin();
  auto blob = Sealer::seal(owner, TenantKey{epoch, kek.clone()}, Field::wrapped_key,
                           wrapping_binding(key.id), key.key.view());
  if (!blob) return blob.error();
  return WrappedKey{key.id, epoch, std::move(*blob), check_value(key.key)};
}

Result<WrappedKey> Keyring::make_tenant_key(const Tenant& owner, std::uint32_t key_id) const {
  if (key_id == 0) return Error{Errc::key_invalid, "generations of a tenant's key count from 1"};
  return wrap(owner, TenantKey{key_id, random_key()});
}

Result<TenantKey> Keyring::unwrap(const Tenant& owner, const WrappedKey& wrapped) const {
  const auto kek = keks_.find(wrapped.kek_epoch);
  // A kek that was removed too early can be restored, so it has an error of its own. Every other
  // failure looks the same from outside.
  if (kek == keks_.end())
    return Error{Errc::key_missing, "the keyring has no kek of epoch " +
                                        std::to_string(wrapped.kek_epoch) +
                                        "; restore the keyring file that has it"};
  auto opened = Sealer::open(owner, TenantKey{wrapped.kek_epoch, kek->second.clone()},
                             Field::wrapped_key, wrapping_binding(wrapped.key_id), wrapped.wrapped);
  if (!opened) return opened.error();
  // The tag is right here. The check value also refuses a row whose halves come from two keys.
  if (wrapped.key_id == 0 || opened->size() != root_key_bytes_min ||
      !equal_constant_time(check_value(*opened), wrapped.check))
    return Error{Errc::open_failed, "the sealed value does not open"};
  return TenantKey{wrapped.key_id, std::move(*opened)};
}

// The tenant's key stays the same, so no sealed row has to change.
Result<WrappedKey> Keyring::rewrap(const Tenant& owner, const WrappedKey& wrapped) const {
  const auto key = unwrap(owner, wrapped);
  if (!key) return key.error();
  return wrap(owner, *key);
}

SigningKey Keyring::event_key() const {
  // Derived from the key of ids, which stays as long as the deployment does: events may wait in
  // Kafka. HKDF keeps the two purposes apart.
  const auto key = derive_key(id_key_.view(), "memseal/event-signature/v1");
  return SigningKey::from_bytes(SignatureAlgorithm::hmac_sha256, key.view()).value();
}

SigningKey Keyring::receipt_key() const {
  // As event_key(): a receipt must verify as long as the deployment lives.
  const auto seed = derive_key(id_key_.view(), "memseal/receipt-signature/v1");
  return SigningKey::from_bytes(SignatureAlgorithm::ed25519, seed.view()).value();
}

TenantKey Keyring::dead_letter_key() const { return {1, dead_letter_key_.clone()}; }

std::array<std::uint8_t, 16> Keyring::tenant_key_check() const {
  return first_16(hmac_sha256(tenant_key_.view(), {bytes_of("memseal/tenant-key-check/v1")}));
}

}  // namespace memseal::crypto
