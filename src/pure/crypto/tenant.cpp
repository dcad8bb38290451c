#include "pure/crypto/tenant.hpp"

#include "base/assert.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"

#include <utility>

namespace memseal::crypto {

namespace {

constexpr std::size_t key_bytes_min = 32;

}  // namespace

TenantKeyer::TenantKeyer(SecretBytes key) : key_(std::move(key)) {
  MEMSEAL_ASSERT(key_.size() >= key_bytes_min);
}

Tenant TenantKeyer::tenant_of(const UserId& user) const {
  return Tenant(UserHash{hmac_sha256(key_.view(), {bytes_of(user.value())})});
}

IdDeriver::IdDeriver(SecretBytes key) : key_(std::move(key)) {
  MEMSEAL_ASSERT(key_.size() >= key_bytes_min);
}

Uuid IdDeriver::chunk_id(const Tenant& owner, const DocId& doc, std::int64_t revision,
                         std::int32_t chunk_index) const {
  // The digest gives the name a fixed width, so that no other document, revision and index join to
  // the same bytes.
  const auto doc_digest = sha256(bytes_of(doc.value()));
  const auto revision_bytes = big_endian(static_cast<std::uint64_t>(revision));
  const auto index_bytes = big_endian(static_cast<std::uint32_t>(chunk_index));
  return uuid_v8(hmac_sha256(key_.view(), {bytes_of("chunk"), owner.hash().bytes, doc_digest,
                                           revision_bytes, index_bytes}));
}

Uuid IdDeriver::event_id(const Tenant& owner, std::string_view source, std::string_view id) const {
  // The length keeps the source "ab" with the id "c" apart from "a" with "bc".
  const auto source_size = big_endian(static_cast<std::uint32_t>(source.size()));
  return uuid_v8(hmac_sha256(key_.view(), {bytes_of("event"), owner.hash().bytes, source_size,
                                           bytes_of(source), bytes_of(id)}));
}

}  // namespace memseal::crypto
