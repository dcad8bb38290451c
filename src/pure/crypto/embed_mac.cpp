#include "pure/crypto/embed_mac.hpp"

#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"

namespace memseal::crypto {

namespace {

auto length_of(std::size_t size) { return big_endian(static_cast<std::uint32_t>(size)); }

}  // namespace

// Each part has a fixed width or its length before it, so no two inputs join to the same bytes.
EmbedMac::EmbedMac(const TenantKey& key, const DocId& doc, std::string_view model,
                   std::size_t dimension)
    : keyed_(derive_key(key.key.view(), "memseal/embedded/v1")) {
  keyed_.update(sha256(bytes_of(doc.value())));
  keyed_.update(length_of(dimension));
  keyed_.update(length_of(model.size()));
  keyed_.update(bytes_of(model));
}

Uuid EmbedMac::of(std::span<const std::int32_t> tokens, std::string_view text) const {
  Bytes ids;
  ids.reserve(tokens.size() * sizeof(std::uint32_t));
  for (const auto token : tokens) {
    const auto bytes = big_endian(static_cast<std::uint32_t>(token));
    ids.insert(ids.end(), bytes.begin(), bytes.end());
  }
  auto mac = keyed_.copy();
  mac.update(length_of(tokens.size()));
  mac.update(ids);
  mac.update(bytes_of(text));
  wipe(ids.data(), ids.size());
  return uuid_v8(mac.finish());
}

}  // namespace memseal::crypto
