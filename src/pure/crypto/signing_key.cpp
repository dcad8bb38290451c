#include "pure/crypto/signing_key.hpp"

#include "base/on_exit.hpp"
#include "pure/codec/base64.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/keyring_file.hpp"
#include "pure/crypto/internal/ossl.hpp"
#include "pure/crypto/random.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <string>
#include <utility>

namespace memseal::crypto {

struct VerifyingKey::Key {
  SignatureAlgorithm algorithm;
  SecretBytes bytes;     // the public key, or the secret of HMAC
  ossl::Pkey pkey = {};  // of Ed25519: the public half, and in a SigningKey both
};

namespace {

using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using PkeyResult = Result<ossl::Pkey>;
using Raw = std::array<std::uint8_t, ed25519_key_bytes>;

constexpr std::size_t key_file_bytes_max = 8'192;

Error invalid(std::string why) { return {Errc::key_invalid, std::move(why)}; }

Error not_ed25519() { return invalid("is no Ed25519 key; `memseal producers keygen` makes one"); }

// An encrypted file would make OpenSSL ask the terminal for the password.
int no_password(char*, int, int, void*) { return 0; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

Result<void> check_secret(ByteView secret) {
  if (secret.size() < hmac_secret_bytes_min || secret.size() > hmac_secret_bytes_max)
    return invalid("a secret of hmac-sha256 has 32 to 128 bytes");
  // A placeholder of an example, such as all zeros, has the length of a key.
  if (is_weak_key(secret)) return invalid("a secret of hmac-sha256 must not be one byte repeated");
  return {};
}

/// Nothing where `text` is no secret of HMAC.
std::optional<Result<SecretBytes>> secret_in(std::string_view text) {
  if (!text.starts_with(hmac_file_prefix)) return std::nullopt;
  auto decoded =
      codec::decode_base64(trimmed(text.substr(hmac_file_prefix.size())), codec::Base64::standard);
  if (!decoded)
    return Result<SecretBytes>(invalid("has a secret of hmac-sha256 that is not base64"));
  const OnExit clean([&] { wipe(decoded->data(), decoded->size()); });
  return Result<SecretBytes>(SecretBytes(ByteView(*decoded)));
}

PkeyResult read_pem(std::string_view text, bool wants_private) {
  if (text.size() > key_file_bytes_max) return invalid("is longer than a key file can be");
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  ossl::Pkey key;
  if (bio) {
    if (wants_private)
      key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
    else
      key.reset(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr));
  }
  ERR_clear_error();
  // OpenSSL keeps errors in a queue of the thread. What stays there would be reported as the cause
  // of the next failure, which may be another connection's.
  if (!key || EVP_PKEY_is_a(key.get(), "ED25519") != 1) return not_ed25519();
  return key;
}

SecretBytes public_half(const EVP_PKEY& key) {
  Raw raw{};
  std::size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(&key, raw.data(), &size) != 1 || size != raw.size())
    throw Refused({Errc::bad_config, "OpenSSL could not read an Ed25519 key"});
  return SecretBytes(ByteView(raw));
}

}  // namespace

std::string_view signature_algorithm_name(SignatureAlgorithm algorithm) noexcept {
  return algorithm == SignatureAlgorithm::ed25519 ? "ed25519" : "hmac-sha256";
}

std::optional<SignatureAlgorithm> parse_signature_algorithm(std::string_view name) noexcept {
  for (const auto one : {SignatureAlgorithm::ed25519, SignatureAlgorithm::hmac_sha256})
    if (name == signature_algorithm_name(one)) return one;
  return std::nullopt;
}

Result<VerifyingKey> VerifyingKey::from_bytes(SignatureAlgorithm algorithm, ByteView bytes) {
  auto key = std::make_shared<Key>(Key{algorithm, SecretBytes(bytes)});
  if (algorithm == SignatureAlgorithm::hmac_sha256) {
    if (const auto fits = check_secret(bytes); !fits) return fits.error();
    return VerifyingKey(std::move(key));
  }
  if (bytes.size() == ed25519_key_bytes)
    key->pkey.reset(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()));
  if (!key->pkey) {
    ERR_clear_error();
    return invalid("a public key of ed25519 has 32 bytes");
  }
  return VerifyingKey(std::move(key));
}

Result<VerifyingKey> VerifyingKey::parse(std::string_view file) {
  if (auto secret = secret_in(file)) {
    if (!*secret) return secret->error();
    return from_bytes(SignatureAlgorithm::hmac_sha256, (*secret)->view());
  }
  auto key = read_pem(file, file.find("PRIVATE KEY") != file.npos);
  if (!key) return key.error();
  return from_bytes(SignatureAlgorithm::ed25519, public_half(**key).view());
}

SignatureAlgorithm VerifyingKey::algorithm() const noexcept { return key_->algorithm; }

ByteView VerifyingKey::bytes() const noexcept { return key_->bytes.view(); }

bool VerifyingKey::verify(ByteView message, ByteView signature) const {
  if (key_->algorithm == SignatureAlgorithm::hmac_sha256)
    return equal_constant_time(hmac_sha256(key_->bytes.view(), {message}), signature);
  const ossl::MdCtx context(EVP_MD_CTX_new());
  const bool genuine = context &&
                       EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr,
                                               key_->pkey.get(), nullptr) == 1 &&
                       EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                        message.data(), message.size()) == 1;
  if (!genuine) ERR_clear_error();
  return genuine;
}

SigningKey SigningKey::random(SignatureAlgorithm algorithm) {
  Raw secret{};
  const OnExit clean([&] { wipe(secret.data(), secret.size()); });
  fill_random(secret);
  return from_bytes(algorithm, secret).value();
}

Result<SigningKey> SigningKey::from_bytes(SignatureAlgorithm algorithm, ByteView secret) {
  if (algorithm == SignatureAlgorithm::hmac_sha256) {
    auto verifying = VerifyingKey::from_bytes(algorithm, secret);
    if (!verifying) return verifying.error();
    return SigningKey(std::move(verifying->key_));
  }
  ossl::Pkey pkey;
  if (secret.size() == ed25519_key_bytes)
    pkey.reset(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size()));
  if (!pkey) {
    ERR_clear_error();
    return invalid("a private key of ed25519 has 32 bytes");
  }
  auto half = public_half(*pkey);
  return SigningKey(std::make_shared<Key>(Key{algorithm, std::move(half), std::move(pkey)}));
}

Result<SigningKey> SigningKey::parse(std::string_view file) {
  if (auto secret = secret_in(file)) {
    if (!*secret) return secret->error();
    return from_bytes(SignatureAlgorithm::hmac_sha256, (*secret)->view());
  }
  if (file.find("PRIVATE KEY") == file.npos)
    return invalid("holds no private key; `memseal producers keygen` makes one");
  auto key = read_pem(file, true);
  if (!key) return key.error();
  auto half = public_half(**key);
  return SigningKey(
      std::make_shared<Key>(Key{SignatureAlgorithm::ed25519, std::move(half), std::move(*key)}));
}

SecretBytes SigningKey::file() const {
  if (key_->algorithm == SignatureAlgorithm::hmac_sha256) {
    auto text = std::string(hmac_file_prefix) +
                codec::encode_base64(key_->bytes.view(), codec::Base64::standard) + "\n";
    const OnExit clean([&] { wipe(text.data(), text.size()); });
    return SecretBytes(bytes_of(text));
  }
  // Memory that OpenSSL wipes when it frees it, because the text is a private key.
  const Bio bio(BIO_new(BIO_s_secmem()));
  char* data = nullptr;
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_->pkey.get(), nullptr, nullptr, 0,
                                            nullptr, nullptr) != 1)
    throw Refused({Errc::bad_config, "OpenSSL could not write an Ed25519 key"});
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return SecretBytes(bytes_of({data, static_cast<std::size_t>(size)}));
}

VerifyingKey SigningKey::verifying_key() const {
  return VerifyingKey::from_bytes(key_->algorithm, key_->bytes.view()).value();
}

Bytes SigningKey::sign(ByteView message) const {
  if (key_->algorithm == SignatureAlgorithm::hmac_sha256) {
    const auto mac = hmac_sha256(key_->bytes.view(), {message});
    return {mac.begin(), mac.end()};
  }
  Bytes signature(64);
  std::size_t size = signature.size();
  const ossl::MdCtx context(EVP_MD_CTX_new());
  const bool done =
      context &&
      EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key_->pkey.get(),
                            nullptr) == 1 &&
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1;
  if (!done || size != signature.size())
    throw Refused({Errc::bad_config, "OpenSSL could not compute Ed25519"});
  return signature;
}

}  // namespace memseal::crypto
