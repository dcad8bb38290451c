// Hostile bytes where a sealed stream should be, and genuine streams that were cut, turned in one
// bit or put together again.
#include "base/assert.hpp"
#include "pure/crypto/sealed_stream.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace {

using namespace memseal;
using namespace memseal::crypto;

constexpr std::array<std::uint8_t, 32> key_bytes{3, 1, 4, 1, 5, 9, 2, 6};

const Tenant& owner() {
  static const auto tenant =
      TenantKeyer(SecretBytes(ByteView(key_bytes))).tenant_of(UserId::parse("fuzz").value());
  return tenant;
}

const TenantKey& key() {
  static const TenantKey made{1, SecretBytes(ByteView(key_bytes))};
  return made;
}

std::optional<Bytes> open(ByteView sealed, std::size_t step) {
  const auto head = sealed.first(std::min(stream_header_bytes, sealed.size()));
  const auto key_id = StreamOpener::key_id_of(head);
  auto opener = StreamOpener::start(owner(), key(), Uuid{}, head);
  MEMSEAL_ASSERT(!opener || (key_id && *key_id == 1));
  if (!opener) return std::nullopt;
  const auto layout = StreamLayout::of(sealed.size(), opener->frame_bytes());
  Bytes plain;
  const auto take = [&](ByteView bytes) { plain.insert(plain.end(), bytes.begin(), bytes.end()); };
  StreamReader reader(std::move(*opener));
  for (auto rest = sealed.subspan(head.size()); !rest.empty();) {
    const auto piece = rest.first(std::min(step, rest.size()));
    if (!reader.write(piece, take)) return std::nullopt;
    rest = rest.subspan(piece.size());
  }
  if (!reader.finish(take)) return std::nullopt;
  MEMSEAL_ASSERT(layout && layout->plain_bytes() == plain.size());
  return plain;
}

Bytes seal(ByteView plain, std::size_t step) {
  auto sealer = StreamSealer::start(owner(), key(), Uuid{}, stream_frame_bits_min).value();
  SealedPart part;
  for (; !plain.empty(); plain = plain.subspan(std::min(step, plain.size())))
    sealer.write(plain.first(std::min(step, plain.size())), part).value();
  sealer.finish(part).value();
  return {part.view().begin(), part.view().end()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  MEMSEAL_ASSERT(!open(input, 1'000));  // nobody guesses a tag
  if (size < 5) return 0;
  const std::size_t step = 1 + (data[0] | std::size_t{data[1]} << 8);
  const auto plain = input.subspan(5);
  auto sealed = seal(plain, step);
  const auto opened = open(sealed, step);
  MEMSEAL_ASSERT(opened && std::ranges::equal(*opened, plain));
  const std::size_t at = data[2] | std::size_t{data[3]} << 8;
  switch (data[4] % 3) {
    case 0:
      sealed[at % sealed.size()] ^= static_cast<std::uint8_t>(1u << (data[4] >> 5));
      break;
    case 1:
      sealed.resize(at % sealed.size());
      break;
    default: {
      // A frame again where it stands already.
      const auto frame = (std::size_t{1} << stream_frame_bits_min) + stream_frame_overhead;
      const auto from =
          stream_header_bytes + at % (sealed.size() - stream_header_bytes) / frame * frame;
      const Bytes again(
          sealed.begin() + static_cast<std::ptrdiff_t>(from),
          sealed.begin() + static_cast<std::ptrdiff_t>(std::min(from + frame, sealed.size())));
      sealed.insert(sealed.begin() + static_cast<std::ptrdiff_t>(from), again.begin(), again.end());
    }
  }
  MEMSEAL_ASSERT(!open(sealed, step));
  return 0;
}
