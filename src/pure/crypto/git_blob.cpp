#include "pure/crypto/git_blob.hpp"

#include "base/ids.hpp"
#include "base/result.hpp"
#include "pure/crypto/internal/ossl.hpp"

#include <array>

namespace memseal::crypto {

struct GitBlobName::State {
  ossl::MdCtx context;
};

namespace {

void require_sha1(bool computed) {
  if (!computed)
    throw Refused({Errc::bad_config,
                   "OpenSSL could not compute SHA-1, by which git names files: check its "
                   "configuration and providers"});
}

}  // namespace

GitBlobName::GitBlobName(std::uint64_t bytes) : state_(std::make_unique<State>()) {
  const ossl::Md sha1(EVP_MD_fetch(nullptr, "SHA1", nullptr));
  state_->context.reset(EVP_MD_CTX_new());
  require_sha1(sha1 && state_->context &&
               EVP_DigestInit_ex(state_->context.get(), sha1.get(), nullptr) == 1);
  const auto head = "blob " + std::to_string(bytes) + '\0';
  update(bytes_of(head));
}

GitBlobName::~GitBlobName() = default;

void GitBlobName::update(ByteView piece) {
  require_sha1(EVP_DigestUpdate(state_->context.get(), piece.data(), piece.size()) == 1);
}

std::string GitBlobName::finish() {
  std::array<std::uint8_t, 20> digest{};
  unsigned size = 0;
  const bool done = EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) == 1;
  require_sha1(done && size == digest.size());
  return to_hex(digest.data(), digest.size());
}

}  // namespace memseal::crypto
