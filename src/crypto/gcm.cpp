#include "gcm.hpp"

#include "memseal/base/assert.hpp"
#include "memseal/base/result.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

namespace memseal::crypto {

namespace {

ossl::CipherCtx keyed_context(ByteView key, bool sealing) {
  const Nonce zero{};
  ossl::CipherCtx context(EVP_CIPHER_CTX_new());
  if (!context || EVP_CipherInit_ex2(context.get(), ossl::algorithms().aes_256_gcm.get(),
                                     key.data(), zero.data(), sealing ? 1 : 0, nullptr) != 1)
    throw Outage({Errc::unavailable, "OpenSSL cannot key an AES-256-GCM context"});
  return context;
}

// Written out, since OpenSSL's constructors are calls that a seal would notice.
OSSL_PARAM octets(const char* name, const std::uint8_t* data, std::size_t size) noexcept {
  return {name, OSSL_PARAM_OCTET_STRING, const_cast<std::uint8_t*>(data), size,
          OSSL_PARAM_UNMODIFIED};
}

OSSL_PARAM tag_param(const std::uint8_t* tag) noexcept {
  return octets(OSSL_CIPHER_PARAM_AEAD_TAG, tag, gcm_tag_bytes);
}

// A fixed part of the largest size stands for the whole nonce. EVP_CipherInit_ex2 asks the
// provider for the nonce's length on each call, which costs as much as 150 bytes of AES.
OSSL_PARAM whole_nonce_param(const Nonce& nonce) noexcept {
  return octets(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nonce.data(), static_cast<std::size_t>(-1));
}

constexpr OSSL_PARAM end{nullptr, 0, nullptr, 0, 0};

bool seal_part(EVP_CIPHER_CTX* context, std::uint8_t* out, ByteView in) {
  int size = 0;
  return EVP_EncryptUpdate(context, out, &size, in.data(), static_cast<int>(in.size())) == 1;
}

bool open_part(EVP_CIPHER_CTX* context, std::uint8_t* out, ByteView in) {
  int size = 0;
  return EVP_DecryptUpdate(context, out, &size, in.data(), static_cast<int>(in.size())) == 1;
}

std::atomic<std::uint64_t> forget_calls{0};

}  // namespace

Gcm::Gcm(ByteView key, NonceBy way) : way_(way) {
  MEMSEAL_ASSERT(key.size() == key_.size());
  std::copy(key.begin(), key.end(), key_.begin());
}

Gcm::~Gcm() { wipe(key_.data(), key_.size()); }

bool Gcm::has_key(ByteView key) const noexcept {
  std::uint64_t different = 0;
  for (std::size_t i = 0; i < key_.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t mine, theirs;
    std::memcpy(&mine, key_.data() + i, sizeof mine);
    std::memcpy(&theirs, key.data() + i, sizeof theirs);
    different |= mine ^ theirs;
  }
  return different == 0;
}

bool Gcm::seal(const Nonce& nonce, ByteView aad, ByteView plain, std::uint8_t* cipher,
               std::uint8_t* tag) noexcept try {
  if (!sealing_) sealing_ = keyed_context(key_, true);
  auto* context = sealing_.get();
  const OSSL_PARAM set[] = {whole_nonce_param(nonce), end};
  OSSL_PARAM get[] = {tag_param(tag), end};
  int none = 0;
  const bool fresh = way_ == NonceBy::parameter ? EVP_CIPHER_CTX_set_params(context, set) == 1
                                                : EVP_CipherInit_ex2(context, nullptr, nullptr,
                                                                     nonce.data(), 1, nullptr) == 1;
  const bool sealed = fresh && seal_part(context, nullptr, aad) &&
                      seal_part(context, cipher, plain) &&
                      EVP_EncryptFinal_ex(context, cipher + plain.size(), &none) == 1 &&
                      EVP_CIPHER_CTX_get_params(context, get) == 1;
  if (!sealed) ERR_clear_error();
  return sealed;
} catch (const Outage&) {
  return false;
}

bool Gcm::open(const Nonce& nonce, ByteView aad, ByteView cipher, const std::uint8_t* tag,
               std::uint8_t* plain) noexcept try {
  if (!opening_) opening_ = keyed_context(key_, false);
  auto* context = opening_.get();
  const bool by_parameter = way_ == NonceBy::parameter;
  const OSSL_PARAM set[] = {tag_param(tag), by_parameter ? whole_nonce_param(nonce) : end, end};
  int none = 0;
  const bool fresh =
      by_parameter || EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), 0, nullptr) == 1;
  const bool opened = fresh && EVP_CIPHER_CTX_set_params(context, set) == 1 &&
                      open_part(context, nullptr, aad) && open_part(context, plain, cipher) &&
                      EVP_DecryptFinal_ex(context, plain + cipher.size(), &none) == 1;
  if (!opened) ERR_clear_error();
  return opened;
} catch (const Outage&) {
  return false;
}

NonceBy nonce_way() {
  static const NonceBy way = [] {
    const std::array<std::uint8_t, gcm_key_bytes> key{1, 2, 3};
    const std::array<std::uint8_t, 20> text{4, 5, 6};
    Gcm fast(key, NonceBy::parameter), plain(key, NonceBy::init);
    for (std::uint8_t round = 0; round < 3; ++round) {
      const Nonce nonce{7, round, 8, 9, 10, 11, 12, 13, 14, 15, 16, round};
      std::array<std::uint8_t, text.size() + gcm_tag_bytes> one{}, other{}, opened{};
      if (!fast.seal(nonce, text, text, one.data(), one.data() + text.size()) ||
          !plain.seal(nonce, text, text, other.data(), other.data() + text.size()) ||
          one != other ||
          !fast.open(nonce, text, ByteView(one).first(text.size()), one.data() + text.size(),
                     opened.data()) ||
          !std::equal(text.begin(), text.end(), opened.begin()))
        return NonceBy::init;
    }
    return NonceBy::parameter;
  }();
  return way;
}

Gcm& keyed(ByteView key) {
  thread_local std::vector<std::unique_ptr<Gcm>> cache;  // last used first
  thread_local std::uint64_t forgotten = 0;
  const auto asked = forget_calls.load(std::memory_order_relaxed);
  if (forgotten != asked) {
    cache.clear();
    forgotten = asked;
  }
  if (!cache.empty() && cache.front()->has_key(key)) return *cache.front();
  auto found = std::find_if(cache.begin(), cache.end(),
                            [key](const auto& entry) { return entry->has_key(key); });
  if (found == cache.end()) {
    auto fresh = std::make_unique<Gcm>(key, nonce_way());
    if (cache.size() >= keyed_max) cache.pop_back();
    found = cache.insert(cache.end(), std::move(fresh));
  }
  std::rotate(cache.begin(), found, found + 1);
  return *cache.front();
}

void forget_keyed() noexcept { forget_calls.fetch_add(1, std::memory_order_relaxed); }

}  // namespace memseal::crypto
