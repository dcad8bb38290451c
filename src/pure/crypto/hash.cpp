#include "pure/crypto/hash.hpp"

#include "base/result.hpp"
#include "pure/crypto/internal/ossl.hpp"

#include <openssl/crypto.h>

#include <string>

namespace memseal::crypto {

namespace ossl {

const Algorithms& algorithms() {
  // Fetched once, because each implicit fetch searches the providers again.
  static const Algorithms all = [] {
    Algorithms found{Cipher(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)),
                     Md(EVP_MD_fetch(nullptr, "SHA2-256", nullptr)),
                     Mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr)),
                     Kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr))};
    if (!found.aes_256_gcm || !found.sha256 || !found.hmac || !found.hkdf)
      throw Refused({Errc::bad_config,
                     "OpenSSL offers no AES-256-GCM, SHA-256, HMAC or HKDF: "
                     "check its configuration and providers"});
    return found;
  }();
  return all;
}

namespace {

OSSL_PARAM octets(const char* name, ByteView bytes) {
  // OpenSSL takes no null pointer for an empty string, and does not write through this one.
  static std::uint8_t none = 0;
  auto* data = bytes.empty() ? &none : const_cast<std::uint8_t*>(bytes.data());
  return OSSL_PARAM_construct_octet_string(name, data, bytes.size());
}

// A parameter takes no const text, so the name lies in an array. OpenSSL does not write to it.
OSSL_PARAM digest_name() {
  static char name[] = "SHA2-256";
  return OSSL_PARAM_construct_utf8_string(OSSL_ALG_PARAM_DIGEST, name, 0);
}

}  // namespace

bool hkdf_sha256(ByteView key, ByteView salt, ByteView info, std::span<std::uint8_t> out) {
  const KdfCtx context(EVP_KDF_CTX_new(algorithms().hkdf.get()));
  const OSSL_PARAM params[] = {digest_name(), octets(OSSL_KDF_PARAM_KEY, key),
                               octets(OSSL_KDF_PARAM_SALT, salt), octets(OSSL_KDF_PARAM_INFO, info),
                               OSSL_PARAM_construct_end()};
  return context && EVP_KDF_derive(context.get(), out.data(), out.size(), params) == 1;
}

}  // namespace ossl

namespace {

// Thrown and not asserted, because other programs link this code, and their OpenSSL decides: a
// provider may be unloaded, or end in an error state, after its algorithms were fetched.
void require(bool computed, const char* algorithm) {
  if (!computed)
    throw Refused({Errc::bad_config, std::string("OpenSSL could not compute ") + algorithm +
                                         ": check its configuration and providers"});
}

}  // namespace

Digest sha256(ByteView data) {
  Digest digest{};
  unsigned size = 0;
  const bool done = EVP_Digest(data.data(), data.size(), digest.data(), &size,
                               ossl::algorithms().sha256.get(), nullptr) == 1;
  require(done && size == digest.size(), "SHA-256");
  return digest;
}

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  const ossl::MacCtx context(EVP_MAC_CTX_new(ossl::algorithms().hmac.get()));
  const OSSL_PARAM params[] = {ossl::digest_name(), OSSL_PARAM_construct_end()};
  // A null key would mean "keep the former one".
  const std::uint8_t no_key = 0;
  bool done = context && EVP_MAC_init(context.get(), key.empty() ? &no_key : key.data(), key.size(),
                                      params) == 1;
  for (const ByteView part : parts)
    done = done && (part.empty() || EVP_MAC_update(context.get(), part.data(), part.size()) == 1);
  Digest digest{};
  std::size_t size = 0;
  done = done && EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) == 1;
  require(done && size == digest.size(), "HMAC-SHA256");
  return digest;
}

SecretBytes derive_key(ByteView root, std::string_view info) {
  Digest key{};
  // No salt (RFC 5869, section 3.1): the roots are keys and not passwords, and `info` keeps the
  // purposes apart.
  const bool done = ossl::hkdf_sha256(
      root, {}, bytes_of(info), key);
  require(done, "HKDF-SHA256");
  SecretBytes derived{ByteView(key)};
  wipe(key.data(), key.size());
  return derived;
}

bool equal_constant_time(ByteView a, ByteView b) noexcept {
  // The size of a key or of a tag is no secret, its bytes are.
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace memseal::crypto
