#include "pure/crypto/internal/provider_gcm.hpp"

#include "pure/crypto/internal/gcm.hpp"

#include <openssl/provider.h>

#include <string>
#include <string_view>

namespace memseal::crypto {

namespace {

// "AES-256-GCM:id-aes256-GCM:…": any of its names stands for the algorithm.
bool implements(const OSSL_ALGORITHM& algorithm, const EVP_CIPHER* cipher) {
  const std::string_view names(algorithm.algorithm_names);
  return EVP_CIPHER_is_a(cipher, std::string(names.substr(0, names.find(':'))).c_str()) == 1;
}

OSSL_PARAM tag_param(const std::uint8_t* tag) noexcept {
  return {OSSL_CIPHER_PARAM_AEAD_TAG, OSSL_PARAM_OCTET_STRING, const_cast<std::uint8_t*>(tag),
          gcm_tag_bytes, OSSL_PARAM_UNMODIFIED};
}

constexpr OSSL_PARAM end{nullptr, 0, nullptr, 0, 0};

}  // namespace

const ProviderGcm* ProviderGcm::find() {
  static const std::unique_ptr<const ProviderGcm> found = []() -> std::unique_ptr<ProviderGcm> {
    const auto* cipher = ossl::algorithms().aes_256_gcm.get();
    const auto* provider = EVP_CIPHER_get0_provider(cipher);
    if (provider == nullptr) return nullptr;
    int may_change = 0;
    const auto* algorithm = OSSL_PROVIDER_query_operation(provider, OSSL_OP_CIPHER, &may_change);
    // The functions are kept until the process ends, so a provider that may change them later is of
    // no use.
    if (algorithm == nullptr || may_change != 0) return nullptr;
    while (algorithm->algorithm_names != nullptr && !implements(*algorithm, cipher)) ++algorithm;
    if (algorithm->algorithm_names == nullptr) return nullptr;
    std::unique_ptr<ProviderGcm> functions(new ProviderGcm);
    functions->provider_ = OSSL_PROVIDER_get0_provider_ctx(provider);
    for (const auto* entry = algorithm->implementation; entry->function_id != 0; ++entry)
      functions->take(*entry);
    return functions->complete() ? std::move(functions) : nullptr;
  }();
  return found.get();
}

void ProviderGcm::take(const OSSL_DISPATCH& entry) {
  switch (entry.function_id) {
    case OSSL_FUNC_CIPHER_NEWCTX:
      new_context_ = OSSL_FUNC_cipher_newctx(&entry);
      break;
    case OSSL_FUNC_CIPHER_FREECTX:
      free_context_ = OSSL_FUNC_cipher_freectx(&entry);
      break;
    case OSSL_FUNC_CIPHER_ENCRYPT_INIT:
      start_sealing_ = OSSL_FUNC_cipher_encrypt_init(&entry);
      break;
    case OSSL_FUNC_CIPHER_DECRYPT_INIT:
      start_opening_ = OSSL_FUNC_cipher_decrypt_init(&entry);
      break;
    case OSSL_FUNC_CIPHER_UPDATE:
      update_ = OSSL_FUNC_cipher_update(&entry);
      break;
    case OSSL_FUNC_CIPHER_FINAL:
      finish_ = OSSL_FUNC_cipher_final(&entry);
      break;
    case OSSL_FUNC_CIPHER_GET_CTX_PARAMS:
      get_params_ = OSSL_FUNC_cipher_get_ctx_params(&entry);
      break;
    default:
      break;
  }
}

bool ProviderGcm::complete() const noexcept {
  return new_context_ != nullptr && free_context_ != nullptr && start_sealing_ != nullptr &&
         start_opening_ != nullptr && update_ != nullptr && finish_ != nullptr &&
         get_params_ != nullptr;
}

// The zero nonce only completes the call. seal() and open() set the nonce of each message.
ProviderGcm::Context ProviderGcm::key_context(ByteView key, bool sealing) const {
  const Nonce zero{};
  Context context(new_context_(provider_), Free{free_context_});
  if (!context) return context;
  const auto start = sealing ? start_sealing_ : start_opening_;
  if (start(context.get(), key.data(), key.size(), zero.data(), zero.size(), nullptr) != 1)
    context.reset();
  return context;
}

bool ProviderGcm::run(void* context, ByteView aad, ByteView in, std::uint8_t* out) const noexcept {
  // The order is fixed: additional data, which have no output, then the text, then the end. finish_
  // writes no byte in GCM. When opening, it verifies the tag.
  std::size_t done = 0;
  return update_(context, nullptr, &done, aad.size(), aad.data(), aad.size()) == 1 &&
         (in.empty() || update_(context, out, &done, in.size(), in.data(), in.size()) == 1) &&
         finish_(context, out + in.size(), &done, gcm_tag_bytes) == 1;
}

// A null key keeps the expanded key of key_context(). That is what this class saves.
bool ProviderGcm::seal(void* context, const Nonce& nonce, ByteView aad, ByteView plain,
                       std::uint8_t* cipher, std::uint8_t* tag) const noexcept {
  OSSL_PARAM get[] = {tag_param(tag), end};
  return start_sealing_(context, nullptr, 0, nonce.data(), nonce.size(), nullptr) == 1 &&
         run(context, aad, plain, cipher) && get_params_(context, get) == 1;
}

bool ProviderGcm::open(void* context, const Nonce& nonce, ByteView aad, ByteView cipher,
                       const std::uint8_t* tag, std::uint8_t* plain) const noexcept {
  // The tag goes in before the first byte, because finish_ compares it.
  const OSSL_PARAM set[] = {tag_param(tag), end};
  return start_opening_(context, nullptr, 0, nonce.data(), nonce.size(), set) == 1 &&
         run(context, aad, cipher, plain);
}

}  // namespace memseal::crypto
