#include "pure/crypto/term_hasher.hpp"

#include "base/result.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/ossl.hpp"

namespace memseal::crypto {

// A context with the key in it, which is copied for each term: that takes a third of the time that
// a new context takes, and a chunk has some 30 terms.
struct TermHasher::State {
  ossl::MacCtx keyed;
};

namespace {

void require_mac(bool computed) {
  if (!computed)
    throw Refused({Errc::bad_config, "OpenSSL could not compute HMAC-SHA256: check its "
                                     "configuration and providers"});
}

}  // namespace

TermHasher::TermHasher(const TenantKey& key) : state_(std::make_unique<State>()) {
  const auto derived = derive_key(key.key.view(), "memseal/terms/v1");
  state_->keyed.reset(EVP_MAC_CTX_new(ossl::algorithms().hmac.get()));
  char digest[] = "SHA2-256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  require_mac(state_->keyed && EVP_MAC_init(state_->keyed.get(), derived.view().data(),
                                            derived.size(), params) == 1);
}

TermHasher::~TermHasher() = default;
TermHasher::TermHasher(TermHasher&&) noexcept = default;

std::uint64_t TermHasher::hash(std::string_view term) const {
  const ossl::MacCtx context(EVP_MAC_CTX_dup(state_->keyed.get()));
  Digest digest{};
  std::size_t size = 0;
  const auto bytes = bytes_of(term);
  require_mac(context &&
              (bytes.empty() || EVP_MAC_update(context.get(), bytes.data(), bytes.size()) == 1) &&
              EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) == 1);
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < term_hash_bytes; ++i) hash = hash << 8 | digest[i];
  return hash;
}

}  // namespace memseal::crypto
