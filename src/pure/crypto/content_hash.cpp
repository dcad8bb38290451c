#include "pure/crypto/content_hash.hpp"

#include "base/result.hpp"
#include "pure/crypto/internal/bytes.hpp"
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

ContentHash::ContentHash(const SecretBytes& key) : state_(std::make_unique<State>()) {
  state_->context.reset(EVP_MAC_CTX_new(ossl::algorithms().hmac.get()));
  static char name[] = "SHA2-256";  // OpenSSL takes no const text and does not write to it
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_ALG_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  require_hmac(state_->context && EVP_MAC_init(state_->context.get(), key.view().data(),
                                               key.size(), params) == 1);
}

ContentHash::ContentHash(std::unique_ptr<State> state) : state_(std::move(state)) {}
ContentHash::~ContentHash() = default;
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;

ContentHash ContentHash::copy() const {
  auto state = std::make_unique<State>();
  state->context.reset(EVP_MAC_CTX_dup(state_->context.get()));
  require_hmac(state->context != nullptr);
  return ContentHash(std::move(state));
}

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

// The purpose comes first and the hash has a fixed width, so no two inputs join to the same bytes.
SecretBytes FileHasher::tenant_key(const Tenant& owner, std::string_view purpose) const {
  auto digest = hmac_sha256(key_.view(), {bytes_of("tenant"), owner.hash().bytes});
  const SecretBytes key{ByteView(digest)};
  wipe(digest.data(), digest.size());
  return derive_key(key.view(), purpose);
}

Uuid FileHasher::hashed(const Tenant& owner, std::string_view purpose,
                        std::string_view text) const {
  return uuid_v8(hmac_sha256(tenant_key(owner, purpose).view(), {bytes_of(text)}));
}

ContentHash FileHasher::content(const Tenant& owner) const {
  return ContentHash(tenant_key(owner, "memseal/files/content/v1"));
}

Uuid FileHasher::name(const Tenant& owner, std::string_view text) const {
  return hashed(owner, "memseal/files/name/v1", text);
}

Uuid FileHasher::tag(const Tenant& owner, std::string_view text) const {
  return hashed(owner, "memseal/files/tag/v1", text);
}

Uuid FileHasher::id_of_request(const Tenant& owner, std::string_view idempotency_key) const {
  return hashed(owner, "memseal/files/request/v1", idempotency_key);
}

UserHash FileHasher::deployment() const {
  return UserHash{hmac_sha256(key_.view(), {bytes_of("deployment")})};
}

}  // namespace memseal::crypto
