#include "pure/crypto/internal/gcm.hpp"

#include "base/assert.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

namespace memseal::crypto {

namespace {

// Keyed without a nonce. Each message sets its own before any byte is processed.
ossl::CipherCtx evp_context(ByteView key, bool sealing) {
  ossl::CipherCtx context(EVP_CIPHER_CTX_new());
  if (!context || EVP_CipherInit_ex2(context.get(), ossl::algorithms().aes_256_gcm.get(),
                                     key.data(), nullptr, sealing ? 1 : 0, nullptr) != 1)
    return nullptr;
  return context;
}

bool evp_run(EVP_CIPHER_CTX* context, ByteView aad, ByteView in, std::uint8_t* out) {
  int size = 0;
  // A null output marks the additional data, which must come before the text. Final writes no byte
  // in GCM; when opening, it compares the tag.
  return EVP_CipherUpdate(context, nullptr, &size, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_CipherUpdate(context, out, &size, in.data(), static_cast<int>(in.size())) == 1 &&
         EVP_CipherFinal_ex(context, out + in.size(), &size) == 1;
}

bool evp_seal(EVP_CIPHER_CTX* context, const Nonce& nonce, ByteView aad, ByteView plain,
              std::uint8_t* cipher, std::uint8_t* tag) {
  return EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), 1, nullptr) == 1 &&
         evp_run(context, aad, plain, cipher) &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, gcm_tag_bytes, tag) == 1;
}

bool evp_open(EVP_CIPHER_CTX* context, const Nonce& nonce, ByteView aad, ByteView cipher,
              const std::uint8_t* tag, std::uint8_t* plain) {
  return EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), 0, nullptr) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, gcm_tag_bytes,
                             const_cast<std::uint8_t*>(tag)) == 1 &&
         evp_run(context, aad, cipher, plain);
}

std::atomic<std::uint64_t> forget_calls{0};

}  // namespace

Gcm::Gcm(ByteView key, GcmWay way)
    : provider_(way == GcmWay::provider ? ProviderGcm::find() : nullptr) {
  MEMSEAL_ASSERT(key.size() == key_.size());
  std::copy(key.begin(), key.end(), key_.begin());
}

Gcm::~Gcm() { wipe(key_.data(), key_.size()); }

bool Gcm::has_key(ByteView key) const noexcept {
  // Reads all of both keys. A comparison that ends at the first difference would tell by its time
  // how much of a key is right.
  std::uint64_t different = 0;
  for (std::size_t i = 0; i < key_.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t mine, theirs;
    std::memcpy(&mine, key_.data() + i, sizeof mine);
    std::memcpy(&theirs, key.data() + i, sizeof theirs);
    different |= mine ^ theirs;
  }
  return different == 0;
}

// Contexts are keyed when first used: most keys of a process only ever seal or only ever open.
bool Gcm::ready(bool sealing) noexcept {
  if (provider_ != nullptr) {
    auto& context = sealing ? sealing_ : opening_;
    if (!context) context = provider_->key_context(key_, sealing);
    return context != nullptr;
  }
  auto& context = sealing ? evp_sealing_ : evp_opening_;
  if (!context) context = evp_context(key_, sealing);
  return context != nullptr;
}

bool Gcm::seal(const Nonce& nonce, ByteView aad, ByteView plain, std::uint8_t* cipher,
               std::uint8_t* tag) noexcept {
  const bool sealed =
      ready(true) &&
      (provider_ != nullptr ? provider_->seal(sealing_.get(), nonce, aad, plain, cipher, tag)
                            : evp_seal(evp_sealing_.get(), nonce, aad, plain, cipher, tag));
  // OpenSSL's queue of errors belongs to the thread. An error that stays there is taken for the
  // error of a later, unrelated call.
  if (!sealed) ERR_clear_error();
  return sealed;
}

bool Gcm::open(const Nonce& nonce, ByteView aad, ByteView cipher, const std::uint8_t* tag,
               std::uint8_t* plain) noexcept {
  const bool opened =
      ready(false) &&
      (provider_ != nullptr ? provider_->open(opening_.get(), nonce, aad, cipher, tag, plain)
                            : evp_open(evp_opening_.get(), nonce, aad, cipher, tag, plain));
  // A wrong tag leaves an error in the queue too.
  if (!opened) ERR_clear_error();
  return opened;
}

// The provider's functions are no public promise of OpenSSL as EVP is. They are used only after
// they gave the same bytes as EVP and refused a wrong tag.
// Three messages by one context show whether state of one message leaks into the next.
GcmWay gcm_way() {
  static const GcmWay way = [] {
    if (ProviderGcm::find() == nullptr) return GcmWay::evp;
    const std::array<std::uint8_t, gcm_key_bytes> key{1, 2, 3};
    const std::array<std::uint8_t, 20> text{4, 5, 6};
    Gcm fast(key, GcmWay::provider), plain(key, GcmWay::evp);
    for (std::uint8_t round = 0; round < 3; ++round) {
      const Nonce nonce{7, round, 8, 9, 10, 11, 12, 13, 14, 15, 16, round};
      std::array<std::uint8_t, text.size() + gcm_tag_bytes> one{}, other{}, opened{};
      auto* const tag = one.data() + text.size();
      const auto cipher = ByteView(one).first(text.size());
      if (!fast.seal(nonce, text, text, one.data(), tag) ||
          !plain.seal(nonce, text, text, other.data(), other.data() + text.size()) ||
          one != other || !fast.open(nonce, text, cipher, tag, opened.data()) ||
          !std::equal(text.begin(), text.end(), opened.begin()))
        return GcmWay::evp;
      // A provider that verified no tag would open forged rows.
      tag[0] ^= 1;
      if (fast.open(nonce, text, cipher, tag, opened.data())) return GcmWay::evp;
    }
    return GcmWay::provider;
  }();
  return way;
}

Gcm& keyed(ByteView key) {
  thread_local std::vector<std::unique_ptr<Gcm>> cache;  // last used first
  thread_local std::uint64_t forgotten = 0;
  // Relaxed is enough, because the counter guards no other data. A thread that sees an older value
  // drops its keys at its next call.
  const auto asked = forget_calls.load(std::memory_order_relaxed);
  if (forgotten != asked) {
    cache.clear();
    forgotten = asked;
  }
  // Most calls of a thread in a row use one key.
  if (!cache.empty() && cache.front()->has_key(key)) return *cache.front();
  auto found = std::find_if(cache.begin(), cache.end(),
                            [key](const auto& entry) { return entry->has_key(key); });
  if (found == cache.end()) {
    auto fresh = std::make_unique<Gcm>(key, gcm_way());
    // The destructor wipes the key that was used least recently.
    if (cache.size() >= keyed_max) cache.pop_back();
    found = cache.insert(cache.end(), std::move(fresh));
  }
  std::rotate(cache.begin(), found, found + 1);
  return *cache.front();
}

void forget_keyed() noexcept { forget_calls.fetch_add(1, std::memory_order_relaxed); }

}  // namespace memseal::crypto
