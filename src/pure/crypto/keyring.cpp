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
KeyCheckValue check_value(const SecretBytes& key) {
  return first_16(derive_key(key.view(), "memseal/kcv/v1").view());
}

KeyGenerations first_generation(SecretBytes key) {
  KeyGenerations ring;
  ring.keys.emplace(1, std::move(key));
  ring.current = 1;
  return ring;
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

Result<void> replace_keyring(const std::filesystem::path& file, const RootKeys& keys) {
  const auto text = format_keyring(keys);
  return write_secret_file(file, text.view(), true);
}

Error no_generation(RootKey kind, std::uint32_t generation) {
  return {Errc::key_missing, "the keyring has no " + std::string(root_key_name(kind)) + " " +
                                 std::to_string(generation) + "; see `memseal keys list`"};
}

Error not_the_same(const std::string& what) {
  return {Errc::key_invalid, what + " is another one than before: this is not the same keyring"};
}

}  // namespace

std::string_view root_key_name(RootKey kind) noexcept {
  switch (kind) {
    case RootKey::kek:
      return "kek";
    case RootKey::token:
      return "token";
    case RootKey::dead_letters:
      return "dead-letters";
  }
  return "";
}

std::optional<RootKey> parse_root_key(std::string_view name) noexcept {
  for (const auto kind : root_key_kinds)
    if (root_key_name(kind) == name) return kind;
  return std::nullopt;
}

Result<void> Keyring::create(const std::filesystem::path& file) {
  const RootKeys keys{random_key(), random_key(), first_generation(random_key()),
                      first_generation(random_key()), first_generation(random_key())};
  const auto text = format_keyring(keys);
  return write_secret_file(file, text.view(), false);
}

Result<std::uint32_t> Keyring::stage(const std::filesystem::path& file, RootKey kind) {
  auto keys = read_keyring(file);
  if (!keys) return keys.error();
  auto& ring = keys->of(kind);
  const auto last = ring.keys.rbegin()->first;  // parse_keyring() refuses a file without one
  if (last > ring.current) return last;
  if (last == std::numeric_limits<std::uint32_t>::max() || ring.keys.size() >= generations_max)
    return Error{Errc::key_invalid, "the keyring holds too many generations of " +
                                        std::string(root_key_name(kind)) +
                                        "; retire old ones (memseal keys retire)"};
  ring.keys.emplace(last + 1, random_key());
  if (auto written = replace_keyring(file, *keys); !written) return written.error();
  return last + 1;
}

Result<void> Keyring::promote(const std::filesystem::path& file, RootKey kind,
                              std::uint32_t generation) {
  auto keys = read_keyring(file);
  if (!keys) return keys.error();
  auto& ring = keys->of(kind);
  if (!ring.keys.contains(generation)) return no_generation(kind, generation);
  ring.current = generation;
  return replace_keyring(file, *keys);
}

Result<void> Keyring::remove(const std::filesystem::path& file, RootKey kind,
                             std::uint32_t generation) {
  auto keys = read_keyring(file);
  if (!keys) return keys.error();
  auto& ring = keys->of(kind);
  if (!ring.keys.contains(generation)) return no_generation(kind, generation);
  if (generation == ring.current)
    return Error{Errc::key_invalid, std::string(root_key_name(kind)) + " " +
                                        std::to_string(generation) +
                                        " is the current key: run `memseal keys rotate` first"};
  ring.keys.erase(generation);
  return replace_keyring(file, *keys);
}

Result<Keyring> Keyring::load(const std::filesystem::path& file) {
  auto keys = read_keyring(file);
  if (!keys) return keys.error();
  Keyring ring;
  ring.tenant_key_ = std::move(keys->tenant);
  ring.id_key_ = std::move(keys->ids);
  ring.token_ = std::move(keys->token);
  ring.dead_letters_ = std::move(keys->dead_letters);
  ring.keks_ = std::move(keys->keks);
  // AES-256 takes 32 bytes, and the file allows up to 128. A key of 32 bytes is used as it is.
  for (auto& [generation, key] : ring.dead_letters_.keys)
    if (key.size() != root_key_bytes_min) key = derive_key(key.view(), "memseal/dead-letters/v1");
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
  ring.dead_letters_ =
      first_generation(derive_key(encryption->view(), "memseal/dead-letters/v1"));
  ring.keks_ = first_generation(derive_key(encryption->view(), "memseal/kek/v1"));
  ring.tenant_key_ = std::move(*tenant);
  if (!token.empty()) ring.token_ = first_generation(std::move(token));
  return ring;
}

TenantKeyer Keyring::tenant_keyer() const { return TenantKeyer(tenant_key_.clone()); }

IdDeriver Keyring::id_deriver() const { return IdDeriver(id_key_.clone()); }

FileHasher Keyring::file_hasher() const {
  return FileHasher(derive_key(id_key_.view(), "memseal/files/v1"));
}

Result<WrappedKey> Keyring::wrap(const Tenant& owner, const TenantKey& key) const {
  // The current epoch wraps; the others only unwrap.
  const auto epoch = keks_.current;
  const auto& kek = keks_.keys.at(epoch);
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
  const auto kek = keks_.keys.find(wrapped.kek_epoch);
  // A kek that was removed too early can be restored, so it has an error of its own. Every other
  // failure looks the same from outside.
  if (kek == keks_.keys.end())
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

SecretBytes Keyring::audit_key() const {
  // As event_key(): records must be found and judged as long as they are kept.
  return derive_key(id_key_.view(), "memseal/audit/v1");
}

SigningKey Keyring::audit_signer() const {
  const auto seed = derive_key(id_key_.view(), "memseal/audit-checkpoint/v1");
  return SigningKey::from_bytes(SignatureAlgorithm::ed25519, seed.view()).value();
}

ByteView Keyring::token_key() const noexcept {
  const auto found = token_.keys.find(token_.current);
  return found == token_.keys.end() ? ByteView() : found->second.view();
}

std::vector<TokenKey> Keyring::token_keys() const {
  std::vector<TokenKey> all;
  for (const auto& [generation, key] : token_.keys)
    all.push_back({std::to_string(generation), key.view()});
  return all;
}

TenantKey Keyring::dead_letter_key() const {
  return dead_letter_key(dead_letters_.current).value();
}

Result<TenantKey> Keyring::dead_letter_key(std::uint32_t generation) const {
  const auto found = dead_letters_.keys.find(generation);
  if (found == dead_letters_.keys.end()) return no_generation(RootKey::dead_letters, generation);
  return TenantKey{generation, found->second.clone()};
}

const KeyGenerations& Keyring::generations(RootKey kind) const noexcept {
  return kind == RootKey::kek ? keks_ : kind == RootKey::token ? token_ : dead_letters_;
}

std::vector<RootKeyInfo> Keyring::list() const {
  std::vector<RootKeyInfo> all;
  for (const auto kind : root_key_kinds) {
    const auto& ring = generations(kind);
    for (const auto& [generation, key] : ring.keys) {
      using State = RootKeyInfo::State;
      const auto state = generation == ring.current  ? State::current
                         : generation > ring.current ? State::staged
                                                     : State::reads;
      all.push_back({kind, generation, state, check_value(key)});
    }
  }
  return all;
}

std::map<std::uint32_t, KeyCheckValue> Keyring::kek_checks() const {
  std::map<std::uint32_t, KeyCheckValue> checks;
  for (const auto& [epoch, key] : keks_.keys) checks.emplace(epoch, check_value(key));
  return checks;
}

Result<void> Keyring::check_succeeds(const Keyring& before) const {
  if (!equal_constant_time(tenant_key_.view(), before.tenant_key_.view()))
    return not_the_same("the tenant key");
  if (!equal_constant_time(id_key_.view(), before.id_key_.view()))
    return not_the_same("the key of ids");
  for (const auto kind : root_key_kinds) {
    const auto& ours = generations(kind).keys;
    const auto& theirs = before.generations(kind);
    if (generations(kind).current < theirs.current)
      return Error{Errc::key_invalid, "the current " + std::string(root_key_name(kind)) +
                                          " is older than before: this is an old copy"};
    for (const auto& [generation, key] : theirs.keys) {
      // A staged key has made nothing, and the copy that was rotated may have another one.
      if (generation > theirs.current) continue;
      const auto found = ours.find(generation);
      if (found != ours.end() && !equal_constant_time(found->second.view(), key.view()))
        return not_the_same(std::string(root_key_name(kind)) + " " + std::to_string(generation));
    }
  }
  return {};
}

std::array<std::uint8_t, 16> Keyring::tenant_key_check() const {
  return first_16(hmac_sha256(tenant_key_.view(), {bytes_of("memseal/tenant-key-check/v1")}));
}

}  // namespace memseal::crypto
