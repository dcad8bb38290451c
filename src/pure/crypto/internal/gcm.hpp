#pragma once
// AES-256-GCM with its keyed state kept: keying a context costs about as much as a short seal.
#include "pure/crypto/internal/nonces.hpp"
#include "pure/crypto/internal/ossl.hpp"
#include "pure/crypto/internal/provider_gcm.hpp"

#include <array>
#include <cstdint>

namespace memseal::crypto {

inline constexpr std::size_t gcm_key_bytes = 32, gcm_tag_bytes = 16;

/// How OpenSSL is called. Both ways give the same bytes. `provider` is faster, and is used only
/// after it gave the same bytes as `evp`, which works with every OpenSSL 3.
enum class GcmWay { provider, evp };

/// One key in both directions. One thread at a time. Wiped when destroyed.
class Gcm {
 public:
  /// `key`: 32 bytes.
  Gcm(ByteView key, GcmWay way);
  ~Gcm();
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;

  /// Writes plain.size() bytes to `cipher` and 16 to `tag`. False: OpenSSL failed.
  bool seal(const Nonce& nonce, ByteView aad, ByteView plain, std::uint8_t* cipher,
            std::uint8_t* tag) noexcept;
  /// Writes cipher.size() bytes to `plain`. Returns true if the tag is verified.
  /// REQUIRES: after false the caller wipes `plain` and uses none of it.
  bool open(const Nonce& nonce, ByteView aad, ByteView cipher, const std::uint8_t* tag,
            std::uint8_t* plain) noexcept;
  bool has_key(ByteView key) const noexcept;  ///< in constant time; `key`: 32 bytes

 private:
  bool ready(bool sealing) noexcept;

  std::array<std::uint8_t, gcm_key_bytes> key_{};
  const ProviderGcm* provider_;  ///< null: by EVP
  ProviderGcm::Context sealing_, opening_;
  ossl::CipherCtx evp_sealing_, evp_opening_;
};

/// The faster way that this OpenSSL supports. Decided once in a process, by comparing both.
GcmWay gcm_way();

/// This thread's context of `key` (32 bytes), from its cache of the `keyed_max` last used ones.
/// Lifetime: until the next call on this thread.
Gcm& keyed(ByteView key);
inline constexpr std::size_t keyed_max = 8;

/// Makes each thread drop its cached keys before it next seals or opens.
void forget_keyed() noexcept;

}  // namespace memseal::crypto
