#include "pure/crypto/sha256_stream.hpp"

#include "base/result.hpp"
#include "pure/crypto/internal/ossl.hpp"

namespace memseal::crypto {

struct Sha256Stream::State {
  ossl::MdCtx context;
};

namespace {

void require_sha256(bool computed) {
  if (!computed)
    throw Refused({Errc::bad_config,
                   "OpenSSL could not compute SHA-256: check its configuration and providers"});
}

}  // namespace

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  state_->context.reset(EVP_MD_CTX_new());
  require_sha256(state_->context &&
                 EVP_DigestInit_ex(state_->context.get(), ossl::algorithms().sha256.get(),
                                   nullptr) == 1);
}

Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(ByteView piece) {
  require_sha256(EVP_DigestUpdate(state_->context.get(), piece.data(), piece.size()) == 1);
}

Digest Sha256Stream::finish() {
  Digest digest{};
  unsigned size = 0;
  const bool done = EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) == 1;
  require_sha256(done && size == digest.size());
  return digest;
}

}  // namespace memseal::crypto
