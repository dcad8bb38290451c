// Keyring files and keys given one by one, from a clumsy or hostile hand.
#include "base/assert.hpp"
#include "pure/crypto/internal/keyring_file.hpp"
#include "pure/crypto/keyring.hpp"

#include <algorithm>

namespace {

using namespace memseal;
using namespace memseal::crypto;

std::string_view text_of(const SecretBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.view().data()), bytes.size()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto keys = parse_keyring(text)) {
    const auto written = format_keyring(*keys);
    const auto again = parse_keyring(text_of(written));
    MEMSEAL_ASSERT(again && again->keks.keys.size() == keys->keks.keys.size());
    MEMSEAL_ASSERT(std::ranges::equal(format_keyring(*again).view(), written.view()));
    for (const auto* ring : {&keys->keks, &keys->token, &keys->dead_letters})
      MEMSEAL_ASSERT(ring->keys.contains(ring->current) && !ring->keys.contains(0));
    MEMSEAL_ASSERT(keys->tenant.size() >= 32);
  } else {
    MEMSEAL_ASSERT(keys.error().code == Errc::key_invalid);
  }
  const auto first = text.find('\n');
  const auto second = first == text.npos ? text.npos : text.find('\n', first + 1);
  if (second == text.npos) return 0;
  const auto ring = Keyring::from_keys(
      text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1));
  MEMSEAL_ASSERT(ring || ring.error().code == Errc::key_invalid);
  MEMSEAL_ASSERT(!ring || ring->token_key().empty() || ring->token_key().size() >= 32);
  return 0;
}
