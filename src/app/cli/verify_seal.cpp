#include "app/cli/verify_seal.hpp"

#include "pure/crypto/random.hpp"
#include "pure/crypto/sealer.hpp"

#include <functional>
#include <string>
#include <utility>

namespace memseal::app {

namespace {

using crypto::Field;
using crypto::SealBinding;
using crypto::Sealer;

crypto::Tenant new_tenant() {
  UserHash hash;
  crypto::fill_random(hash.bytes);
  return crypto::TenantKeyer(SecretBytes(Bytes(32, 1))).tenant_of_hash(hash);
}

crypto::TenantKey new_key(std::uint32_t id) {
  Bytes bytes(32);
  crypto::fill_random(bytes);
  return {id, SecretBytes(std::move(bytes))};
}

/// What seals and opens one text: all that its seal depends on.
struct Lock {
  crypto::Tenant owner = new_tenant();
  crypto::TenantKey key = new_key(1);
  Field field = Field::text;
  Uuid object = crypto::random_uuid();
  std::string doc_id = "notes.md";
  std::uint32_t chunk_index = 3;

  Result<Bytes> seal(ByteView plain) const {
    return Sealer::seal(owner, key, field, {object, doc_id, chunk_index}, plain);
  }
  bool opens(ByteView sealed) const {
    return Sealer::open(owner, key, field, {object, doc_id, chunk_index}, sealed).has_value();
  }
};

Lock changed(const Lock& lock, const std::function<void(Lock&)>& change) {
  Lock other{lock.owner, {lock.key.id, SecretBytes(Bytes(lock.key.key.view().begin(),
                                                         lock.key.key.view().end()))},
             lock.field, lock.object, lock.doc_id, lock.chunk_index};
  change(other);
  return other;
}

Proof every_byte_counts(const Lock& lock, const Bytes& sealed) {
  std::size_t opened = 0, tried = 0;
  for (std::size_t at = 0; at < sealed.size(); ++at)
    for (int bit = 0; bit < 8; ++bit, ++tried) {
      auto damaged = sealed;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ (1 << bit));
      opened += lock.opens(damaged);
    }
  for (std::size_t size = 0; size < sealed.size(); ++size, ++tried)
    opened += lock.opens(ByteView(sealed.data(), size));
  return {"no changed or shortened seal opens", opened == 0,
          std::to_string(tried) + " tried, " + std::to_string(opened) + " opened"};
}

}  // namespace

std::vector<Proof> verify_seal() {
  const Lock lock;
  const std::string text = "The dentist is Dr. Novak.";
  const auto plain = bytes_of(text);
  std::vector<Proof> proofs;
  const auto sealed = lock.seal(plain), again = lock.seal(plain);
  for (const auto* made : {&sealed, &again})
    if (!*made) return {{"a text can be sealed", false, made->error().message}};

  proofs.push_back({"a seal opens with what it was made with", lock.opens(*sealed),
                    std::to_string(sealed->size()) + " bytes"});
  proofs.push_back({"two seals of one text differ", *sealed != *again, "by their nonces"});
  proofs.push_back(every_byte_counts(lock, *sealed));
  const std::pair<const char*, std::function<void(Lock&)>> others[] = {
      {"another tenant", [](Lock& it) { it.owner = new_tenant(); }},
      {"another row", [](Lock& it) { it.object = crypto::random_uuid(); }},
      {"another document", [](Lock& it) { it.doc_id = "other.md"; }},
      {"another position", [](Lock& it) { ++it.chunk_index; }},
      {"another field", [](Lock& it) { it.field = Field::meta; }},
      {"another key", [](Lock& it) { it.key = new_key(1); }},
      {"another generation of the key", [](Lock& it) { it.key.id = 2; }}};
  for (const auto& [name, change] : others) {
    const bool opens = changed(lock, change).opens(*sealed);
    proofs.push_back({std::string("a seal does not open for ") + name, !opens,
                      opens ? "opened" : "refused"});
  }
  return proofs;
}

std::vector<Proof> verify_keyring(const crypto::Keyring& keyring) {
  std::vector<Proof> proofs;
  const auto owner = new_tenant(), other = new_tenant();
  const auto epoch = std::to_string(keyring.kek_epoch());
  auto wrapped = keyring.make_tenant_key(owner, 1);
  if (!wrapped) return {{"a tenant's key can be made", false, wrapped.error().message}};
  proofs.push_back({"a tenant's key unwraps for its tenant",
                    keyring.unwrap(owner, *wrapped).has_value(), "key-encryption key " + epoch});
  proofs.push_back({"it does not unwrap for another tenant",
                    !keyring.unwrap(other, *wrapped).has_value(), "refused"});
  wrapped->wrapped.back() ^= 1;
  proofs.push_back({"a damaged one does not unwrap", !keyring.unwrap(owner, *wrapped).has_value(),
                    "refused"});
  return proofs;
}

}  // namespace memseal::app
