#include "pure/crypto/internal/stream_frames.hpp"

#include "base/on_exit.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/sealed_stream.hpp"

#include <algorithm>
#include <string_view>

namespace memseal::crypto {

static_assert(stream_bound_bytes + stream_salt_bytes == stream_header_bytes);
static_assert(stream_frame_overhead == gcm_tag_bytes);

namespace {

constexpr std::string_view stream_magic = "MEMSEALF", stream_key_info = "memseal/stream/v1";
constexpr std::uint8_t stream_format = 0x01;
constexpr std::size_t user_at = stream_bound_bytes, file_at = user_at + 32, final_at = file_at + 16,
                      number_at = final_at + 8;

std::array<std::uint8_t, gcm_key_bytes> key_of_stream(const TenantKey& key,
                                                      const StreamHeader& header) {
  std::array<std::uint8_t, gcm_key_bytes> derived{};
  if (!ossl::hkdf_sha256(key.key.view(), header.salt, bytes_of(stream_key_info), derived))
    throw Refused({Errc::bad_config,
                   "OpenSSL could not compute HKDF-SHA256: check its configuration and providers"});
  return derived;
}

Gcm gcm_of_stream(const TenantKey& key, const StreamHeader& header) {
  auto derived = key_of_stream(key, header);
  const OnExit clean([&] { wipe(derived.data(), derived.size()); });
  return Gcm(derived, gcm_way());
}

}  // namespace

std::array<std::uint8_t, stream_header_bytes> StreamHeader::bytes() const noexcept {
  std::array<std::uint8_t, stream_header_bytes> out{};
  auto* to = std::copy(stream_magic.begin(), stream_magic.end(), out.data());
  *to++ = stream_format;
  *to++ = static_cast<std::uint8_t>(frame_bits);
  to += 2;  // reserved, zero
  to = std::ranges::copy(big_endian(key_id), to).out;
  std::ranges::copy(salt, to);
  return out;
}

Result<StreamHeader> StreamHeader::parse(ByteView bytes) {
  const Error refusal{Errc::open_failed, "the sealed stream does not open"};
  if (bytes.size() != stream_header_bytes) return refusal;
  StreamHeader header;
  header.frame_bits = bytes[stream_magic.size() + 1];
  header.key_id = read_u32(bytes.data() + stream_bound_bytes - 4);
  std::copy(bytes.begin() + stream_bound_bytes, bytes.end(), header.salt.begin());
  if (header.frame_bits < stream_frame_bits_min || header.frame_bits > stream_frame_bits_max ||
      header.key_id == 0)
    return refusal;
  // One comparison holds magic, format and the reserved bytes: a header that this program would not
  // write is refused.
  if (!std::ranges::equal(header.bytes(), bytes)) return refusal;
  return header;
}

StreamFrames::StreamFrames(const UserHash& user, const TenantKey& key, const Uuid& file,
                           const StreamHeader& header)
    : frame_bytes_(std::size_t{1} << header.frame_bits), gcm_(gcm_of_stream(key, header)) {
  const auto bytes = header.bytes();
  std::copy_n(bytes.begin(), stream_bound_bytes, aad_.begin());
  std::ranges::copy(user.bytes, aad_.begin() + user_at);
  std::ranges::copy(file.bytes, aad_.begin() + file_at);
}

// Number and flag stand in the nonce, which makes each frame's key stream its own, and in the
// additional data, which names all that a frame is bound to in one place.
void StreamFrames::bind(std::uint64_t number, bool final) noexcept {
  const auto place = big_endian(number);
  const auto flag = static_cast<std::uint8_t>(final ? 1 : 0);
  nonce_[3] = flag;
  std::ranges::copy(place, nonce_.begin() + 4);
  aad_[final_at] = flag;
  std::ranges::copy(place, aad_.begin() + number_at);
}

bool StreamFrames::seal(std::uint64_t number, bool final, ByteView plain,
                        std::uint8_t* out) noexcept {
  bind(number, final);
  return gcm_.seal(nonce_, aad_, plain, out, out + plain.size());
}

bool StreamFrames::open(std::uint64_t number, bool final, ByteView sealed,
                        std::uint8_t* out) noexcept {
  bind(number, final);
  const auto cipher = sealed.first(sealed.size() - gcm_tag_bytes);
  return gcm_.open(nonce_, aad_, cipher, sealed.data() + cipher.size(), out);
}

}  // namespace memseal::crypto
