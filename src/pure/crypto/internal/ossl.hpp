#pragma once
// OpenSSL at the border: each handle owned in one line, each algorithm fetched once.
#include "base/handle.hpp"
#include "base/secret.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

#include <memory>
#include <span>

namespace memseal::crypto::ossl {

using Cipher = std::unique_ptr<EVP_CIPHER, FreeWith<EVP_CIPHER_free>>;
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, FreeWith<EVP_CIPHER_CTX_free>>;
using Md = std::unique_ptr<EVP_MD, FreeWith<EVP_MD_free>>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;
using Mac = std::unique_ptr<EVP_MAC, FreeWith<EVP_MAC_free>>;
using MacCtx = std::unique_ptr<EVP_MAC_CTX, FreeWith<EVP_MAC_CTX_free>>;
using Kdf = std::unique_ptr<EVP_KDF, FreeWith<EVP_KDF_free>>;
using KdfCtx = std::unique_ptr<EVP_KDF_CTX, FreeWith<EVP_KDF_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using Bignum = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using EcdsaSig = std::unique_ptr<ECDSA_SIG, FreeWith<ECDSA_SIG_free>>;
using ParamBuild = std::unique_ptr<OSSL_PARAM_BLD, FreeWith<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, FreeWith<OSSL_PARAM_free>>;

/// The algorithms of this module. Fetched on first use, shared by all threads.
struct Algorithms {
  Cipher aes_256_gcm;
  Md sha256;
  Mac hmac;
  Kdf hkdf;
};

/// Throws Refused when the OpenSSL of this machine lacks one of them.
const Algorithms& algorithms();

/// HKDF-SHA256 (RFC 5869) with any salt and length; false when OpenSSL refuses the inputs.
bool hkdf_sha256(ByteView key, ByteView salt, ByteView info, std::span<std::uint8_t> out);

}  // namespace memseal::crypto::ossl
