// The library of include/memseal/: the same bytes as Sealer, under names that other programs see.
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/gcm.hpp"
#include "pure/crypto/internal/sb1.hpp"

#include <memseal/sb1.hpp>

#include <algorithm>

namespace memseal::sb1 {

// The public names are a promise to other programs. A field's number is part of the additional
// data, so a different number would make sealed bytes unreadable.
static_assert(key_bytes == crypto::gcm_key_bytes && overhead_bytes == crypto::seal_overhead);
static_assert(plain_bytes_max == limits::seal_bytes_max);
static_assert(
    static_cast<int>(Field::text) == static_cast<int>(crypto::Field::text) &&
    static_cast<int>(Field::meta) == static_cast<int>(crypto::Field::meta) &&
    static_cast<int>(Field::embedding) == static_cast<int>(crypto::Field::embedding) &&
    static_cast<int>(Field::document_name) == static_cast<int>(crypto::Field::document_name) &&
    static_cast<int>(Field::document_meta) == static_cast<int>(crypto::Field::document_meta) &&
    static_cast<int>(Field::wrapped_key) == static_cast<int>(crypto::Field::wrapped_key) &&
    static_cast<int>(Field::dead_letter) == static_cast<int>(crypto::Field::dead_letter) &&
    static_cast<int>(Field::terms) == static_cast<int>(crypto::Field::terms) &&
    static_cast<int>(Field::event) == static_cast<int>(crypto::Field::event));

namespace {

// Runs `work` with the words of pure/crypto. Nothing leaves this library as an exception but
// std::bad_alloc.
template <class Work>
Outcome with_internals(const Key& key, const Binding& binding, Work work) {
  if (key.id == 0 || key.bytes.size() != key_bytes) return {Status::invalid_key};
  const crypto::TenantKey internal_key{key.id, SecretBytes(key.bytes)};
  const crypto::SealBinding internal_binding{Uuid{binding.object}, binding.doc_id,
                                             binding.chunk_index};
  try {
    return work(memseal::UserHash{binding.user}, internal_key, internal_binding);
  // Outage and Refused: no entropy, or an OpenSSL that cannot compute.
  } catch (const std::runtime_error&) {
    return {Status::unavailable};
  }
}

}  // namespace

std::string_view describe(Status status) noexcept {
  switch (status) {
    case Status::ok:
      return "done";
    case Status::invalid_key:
      return "a content key has 32 bytes and an id from 1";
    case Status::invalid_plain:
      return "only 1 to 65,536 bytes can be sealed";
    case Status::does_not_open:
      return "the sealed value does not open";
    case Status::unavailable:
      return "OpenSSL cannot compute an algorithm or has no entropy";
  }
  return "unknown status";
}

std::optional<UserHash> hmac_user(ByteView key, std::string_view user_id) {
  const auto user = UserId::parse(user_id);
  // The service takes user ids as UTF-8 only, so a hash of other bytes would name no user of it.
  if (key.size() < hmac_key_bytes_min || !user || !codec::is_utf8(user_id)) return std::nullopt;
  try {
    return crypto::hmac_sha256(key, {bytes_of(user->value())});
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

Outcome seal(const Key& key, Field field, const Binding& binding, ByteView plain) {
  if (plain.empty() || plain.size() > plain_bytes_max) return {Status::invalid_plain};
  return with_internals(key, binding, [&](const auto& user, const auto& own_key, const auto& at) {
    auto sealed = crypto::seal_sb1(user, own_key, static_cast<crypto::Field>(field), at, plain);
    return sealed ? Outcome{Status::ok, std::move(*sealed)} : Outcome{Status::unavailable};
  });
}

Outcome open_sealed(const Key& key, Field field, const Binding& binding, ByteView sealed) {
  return with_internals(key, binding, [&](const auto& user, const auto& own_key, const auto& at) {
    const auto plain =
        crypto::open_sb1(user, own_key, static_cast<crypto::Field>(field), at, sealed);
    if (!plain) return Outcome{Status::does_not_open};
    return Outcome{Status::ok, Bytes(plain->view().begin(), plain->view().end())};
  });
}

std::optional<std::uint32_t> key_id_of(ByteView sealed) noexcept {
  const auto id = crypto::Sealer::key_id_of(sealed);
  return id ? std::optional(*id) : std::nullopt;
}

void forget_keys() noexcept { crypto::Sealer::forget_cached_keys(); }

}  // namespace memseal::sb1
