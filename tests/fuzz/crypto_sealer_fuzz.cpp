// Hostile bytes where a sealed blob should be, and genuine blobs with one bit turned.
#include "base/assert.hpp"
#include "pure/crypto/sealer.hpp"

#include <algorithm>
#include <array>

namespace {

using namespace memseal;
using namespace memseal::crypto;

constexpr std::array<std::uint8_t, 32> key_bytes{3, 1, 4, 1, 5, 9, 2, 6};

Result<SecretBytes> open(const Tenant& owner, const TenantKey& key, ByteView blob) {
  return Sealer::open(owner, key, Field::text, {Uuid{}, "doc", 1}, blob);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto owner =
      TenantKeyer(SecretBytes(ByteView(key_bytes))).tenant_of(UserId::parse("fuzz").value());
  static const TenantKey key{1, SecretBytes(ByteView(key_bytes))};
  const ByteView input(data, size);
  const auto hostile = open(owner, key, input);
  MEMSEAL_ASSERT(!hostile && hostile.error().code == Errc::open_failed);
  const auto key_id = Sealer::key_id_of(input);
  MEMSEAL_ASSERT(!key_id || (*key_id != 0 && size > seal_overhead));

  if (size < 3) return 0;
  const auto plain = input.subspan(2);
  auto blob = Sealer::seal(owner, key, Field::text, {Uuid{}, "doc", 1}, plain);
  MEMSEAL_ASSERT(blob.has_value() == (plain.size() <= 65'536));
  if (!blob) return 0;
  const auto opened = open(owner, key, *blob);
  MEMSEAL_ASSERT(opened && std::ranges::equal(opened->view(), plain));
  const std::size_t bit = (data[0] | std::size_t{data[1]} << 8) % (8 * blob->size());
  (*blob)[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  MEMSEAL_ASSERT(!open(owner, key, *blob));
  return 0;
}
