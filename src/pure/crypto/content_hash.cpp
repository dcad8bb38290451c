#include "pure/crypto/content_hash.hpp"

#include "base/result.hpp"
#include "pure/crypto/internal/ossl.hpp"

namespace memseal::crypto {

struct ContentHash::State {
  ossl::MacCtx context;
};

namespace {

void require_hmac(bool computed) {
  if (!computed)
    throw Refused({Errc::bad_config,
                   "OpenSSL could not compute HMAC-SHA256: check its configuration and providers"});
}

}  // namespace

ContentHash::ContentHash(const TenantKey& key) : state_(std::make_unique<State>()) {
  state_->context.reset(EVP_MAC_CTX_new(ossl::algorithms().hmac.get()));
  const auto derived = derive_key(key.key.view(), "memseal/content/v1");
  static char name[] = "SHA2-256";  // OpenSSL takes no const text and does not write to it
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_ALG_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  require_hmac(state_->context && EVP_MAC_init(state_->context.get(), derived.view().data(),
                                               derived.size(), params) == 1);
}

ContentHash::~ContentHash() = default;
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;

void ContentHash::update(ByteView piece) {
  if (piece.empty()) return;
  require_hmac(EVP_MAC_update(state_->context.get(), piece.data(), piece.size()) == 1);
}

Digest ContentHash::finish() {
  Digest digest{};
  std::size_t size = 0;
  require_hmac(EVP_MAC_final(state_->context.get(), digest.data(), &size, digest.size()) == 1 &&
               size == digest.size());
  return digest;
}

}  // namespace memseal::crypto
