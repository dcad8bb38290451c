#pragma once
#include "base/secret.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/sealer.hpp"

#include <memory>

namespace memseal::crypto {

/// HMAC-SHA256 of one content, given in pieces, under HKDF(DEK, "memseal/content/v1"). Equal
/// contents of one tenant and key generation have equal hashes. Without the tenant's key a hash
/// tells nothing of the content, not even to who guesses it.
/// Thread: one at a time. Throws Refused{bad_config} when OpenSSL cannot compute.
class ContentHash {
 public:
  explicit ContentHash(const TenantKey& key);
  ~ContentHash();
  ContentHash(ContentHash&&) noexcept;
  ContentHash& operator=(ContentHash&&) noexcept;

  void update(ByteView piece);
  Digest finish();  ///< call once, last

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memseal::crypto
