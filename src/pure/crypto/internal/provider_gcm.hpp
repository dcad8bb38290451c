#pragma once
// The functions of OpenSSL's provider that EVP itself calls for AES-256-GCM (provider-cipher(7)).
// EVP asks the provider for the nonce's length on each new nonce, parameter name by parameter
// name, which costs as much as 200 bytes of AES-GCM: of a seal of 1 KiB a tenth.
#include "pure/crypto/internal/nonces.hpp"
#include "pure/crypto/internal/ossl.hpp"

#include <openssl/core_dispatch.h>

#include <memory>

namespace memseal::crypto {

/// The provider's functions. Immutable.
/// Thread: any; a context belongs to one thread at a time.
class ProviderGcm {
 public:
  struct Free {
    OSSL_FUNC_cipher_freectx_fn* function = nullptr;
    void operator()(void* context) const noexcept { function(context); }
  };
  using Context = std::unique_ptr<void, Free>;  ///< the provider wipes it when it frees it

  /// Null if the provider that was fetched lacks one of the functions.
  static const ProviderGcm* find();

  /// Null when the provider refuses the key (32 bytes).
  Context key_context(ByteView key, bool sealing) const;
  /// As Gcm::seal and Gcm::open; the context must be of the same direction.
  bool seal(void* context, const Nonce& nonce, ByteView aad, ByteView plain, std::uint8_t* cipher,
            std::uint8_t* tag) const noexcept;
  bool open(void* context, const Nonce& nonce, ByteView aad, ByteView cipher,
            const std::uint8_t* tag, std::uint8_t* plain) const noexcept;

 private:
  ProviderGcm() = default;
  void take(const OSSL_DISPATCH& entry);
  bool complete() const noexcept;
  bool run(void* context, ByteView aad, ByteView in, std::uint8_t* out) const noexcept;

  void* provider_ = nullptr;
  OSSL_FUNC_cipher_newctx_fn* new_context_ = nullptr;
  OSSL_FUNC_cipher_freectx_fn* free_context_ = nullptr;
  OSSL_FUNC_cipher_encrypt_init_fn* start_sealing_ = nullptr;
  OSSL_FUNC_cipher_decrypt_init_fn* start_opening_ = nullptr;
  OSSL_FUNC_cipher_update_fn* update_ = nullptr;
  OSSL_FUNC_cipher_final_fn* finish_ = nullptr;
  OSSL_FUNC_cipher_get_ctx_params_fn* get_params_ = nullptr;
};

}  // namespace memseal::crypto
