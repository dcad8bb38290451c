#pragma once
// What the writer and the reader of a sealed stream share: header, key, nonces, additional data.
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/crypto/internal/gcm.hpp"
#include "pure/crypto/sealer.hpp"

#include <array>
#include <cstdint>

namespace memseal::crypto {

inline constexpr std::size_t stream_salt_bytes = 32, stream_bound_bytes = 16;

/// The header of a stream, as its 48 bytes hold it.
struct StreamHeader {
  unsigned frame_bits = 0;
  std::uint32_t key_id = 0;
  std::array<std::uint8_t, stream_salt_bytes> salt{};

  std::array<std::uint8_t, stream_bound_bytes + stream_salt_bytes> bytes() const noexcept;
  /// Error: open_failed for bytes that are no header of this format.
  static Result<StreamHeader> parse(ByteView bytes);
};

/// Seals or opens the frames of one stream under its own key.
/// The nonce of a frame is its number, which is safe because the salt makes the key of each stream
/// another one and a writer never goes back.
class StreamFrames {
 public:
  StreamFrames(const UserHash& user, const TenantKey& key, const Uuid& file,
               const StreamHeader& header);

  std::size_t frame_bytes() const noexcept { return frame_bytes_; }
  /// Writes plain.size() + gcm_tag_bytes bytes to `out`. False: OpenSSL failed.
  bool seal(std::uint64_t number, bool final, ByteView plain, std::uint8_t* out) noexcept;
  /// Writes sealed.size() - gcm_tag_bytes bytes to `out`, which the caller wipes after false.
  /// REQUIRES: sealed.size() >= gcm_tag_bytes.
  bool open(std::uint64_t number, bool final, ByteView sealed, std::uint8_t* out) noexcept;

 private:
  void bind(std::uint64_t number, bool final) noexcept;

  std::size_t frame_bytes_;
  Gcm gcm_;
  Nonce nonce_{};
  std::array<std::uint8_t, 80> aad_{};
};

}  // namespace memseal::crypto
