#include "pure/crypto/internal/jws.hpp"

#include "base/limits.hpp"
#include "pure/codec/ascii.hpp"
#include "pure/codec/base64.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/token_json.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace memseal::crypto {

namespace {

// A kid comes from a stranger and is read before the signature is verified.
constexpr std::size_t kid_bytes_max = 128;

// Header members that bring a key along, change what is signed, or mean encryption.
constexpr std::array<std::string_view, 16> refused_members{
    "jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "cty",
    "enc", "epk", "apu", "apv", "iv",   "tag", "p2s", "p2c"};

struct JwsSegments {
  std::string_view header, payload, signature, signed_text;
};

// Exactly two dots: a token with four is a JWE (RFC 7516), which is encrypted and not signed.
std::optional<JwsSegments> split_segments(std::string_view token) {
  const auto first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return JwsSegments{token.substr(0, first), token.substr(first + 1, second - first - 1),
                     token.substr(second + 1), token.substr(0, second)};
}

std::string_view name_of(JwsAlgorithm algorithm) {
  switch (algorithm) {
    case JwsAlgorithm::hs256:
      return "HS256";
    case JwsAlgorithm::rs256:
      return "RS256";
    case JwsAlgorithm::es256:
      return "ES256";
  }
  return "";
}

// Media types compare without case, and "application/" may be left out (RFC 7515, 4.1.9).
bool is_known_type(std::string_view typ) {
  auto name = codec::ascii_lower(typ);
  constexpr std::string_view prefix = "application/";
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  return name == "jwt" || name == "at+jwt";
}

bool is_plain_kid(std::string_view kid) {
  return !kid.empty() && kid.size() <= kid_bytes_max &&
         std::all_of(kid.begin(), kid.end(),
                     [](char letter) { return letter > ' ' && letter < 0x7f; });
}

// Returns why the header is refused, or null.
const char* check_header(const boost::json::object& header) {
  // jku, jwk, x5u and x5c bring a key: whoever accepts them verifies the forger's signature by the
  // forger's key. `crit` and b64 change what is signed, zip and cty what the payload means.
  for (const auto name : refused_members)
    if (header.contains(name)) return "the header has a refused member";
  if (!text_member(header, "alg")) return "the header has no alg";
  if (header.contains("typ")) {
    const auto typ = text_member(header, "typ");
    if (!typ || !is_known_type(*typ)) return "unknown typ";
  }
  if (header.contains("kid")) {
    const auto kid = text_member(header, "kid");
    if (!kid || !is_plain_kid(*kid)) return "malformed kid";
  }
  return nullptr;
}

// A key without a name must be the only one. A key with a name must be named by the token, be the
// only one, or be the one for tokens that name none.
const JwsKey* pick(const std::vector<JwsKey>& keys, std::optional<std::string_view> kid) {
  if (keys.size() == 1 && (!kid || keys[0].kid.empty())) return &keys[0];
  for (const auto& key : keys)
    if (kid ? key.kid == *kid : key.takes_unnamed) return &key;
  return nullptr;
}

// The DER form that OpenSSL takes, of the fixed-width r ‖ s that a JWS carries.
Bytes der_of(ByteView signature) {
  // Both halves are big-endian numbers of 32 bytes (RFC 7518, section 3.4). OpenSSL refuses a half
  // that is zero or not below the order of the curve.
  const ossl::EcdsaSig pair(ECDSA_SIG_new());
  ossl::Bignum r(BN_bin2bn(signature.data(), es256_half_bytes, nullptr));
  ossl::Bignum s(BN_bin2bn(signature.data() + es256_half_bytes, es256_half_bytes, nullptr));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  r.release();  // the pair owns both now
  s.release();
  std::uint8_t* out = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &out);
  if (size <= 0) return {};
  Bytes der(out, out + size);
  OPENSSL_free(out);
  return der;
}

bool verify_public(const JwsKey& key, std::string_view text, ByteView signature) {
  Bytes der;
  if (key.algorithm == JwsAlgorithm::es256) {
    if (signature.size() != 2 * es256_half_bytes) return false;
    der = der_of(signature);
    signature = der;
  } else if (signature.size() != static_cast<std::size_t>(EVP_PKEY_get_size(key.pkey.get()))) {
    // RS256 has as many bytes as the modulus. One length leaves one spelling of a signature.
    return false;
  }
  if (signature.empty()) return false;
  // For an RSA key the default padding is PKCS #1 v1.5, which is what RS256 means (RFC 7518,
  // section 3.3).
  const ossl::MdCtx context(EVP_MD_CTX_new());
  const bool genuine = context &&
                       EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA2-256", nullptr, nullptr,
                                               key.pkey.get(), nullptr) == 1 &&
                       EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                        bytes_of(text).data(), text.size()) == 1;
  if (!genuine) ERR_clear_error();
  return genuine;
}

bool is_genuine(const JwsKey& key, std::string_view text, ByteView signature) {
  if (key.algorithm != JwsAlgorithm::hs256) return verify_public(key, text, signature);
  // In constant time. A comparison that ends early would let a forger find the right signature byte
  // by byte.
  return equal_constant_time(hmac_sha256(key.secret.view(), {bytes_of(text)}), signature);
}

}  // namespace

// `why` is set before each step, so that every return leaves the cause of its own step.
// The costly step, the signature, is the last one, because each step before it refuses garbage for
// less.
std::optional<Bytes> verify_jws(const std::vector<JwsKey>& keys, std::string_view token,
                                const char*& why) {
  why = "not three parts of at most 4 KiB";
  if (token.size() > limits::token_bytes_max) return std::nullopt;
  const auto segments = split_segments(token);
  if (!segments) return std::nullopt;
  why = "not canonical base64url";
  const auto header_json = codec::decode_base64(segments->header, codec::Base64::url);
  auto payload = codec::decode_base64(segments->payload, codec::Base64::url);
  const auto signature = codec::decode_base64(segments->signature, codec::Base64::url);
  if (!header_json || !payload || !signature) return std::nullopt;
  why = "the header is no JSON object";
  const auto header = parse_token_json(text_of(*header_json));
  if (!header) return std::nullopt;
  if ((why = check_header(*header)) != nullptr) return std::nullopt;
  why = "unknown key";
  const auto* key = pick(keys, text_member(*header, "kid"));
  if (key == nullptr) return std::nullopt;
  why = "the key is not for this alg";
  // The key decides about the algorithm and the header must agree. If the header decided, a forger
  // could send "none", or HS256 with the public RSA key as its secret (RFC 8725, section 2.1).
  if (text_member(*header, "alg") != name_of(key->algorithm)) return std::nullopt;
  why = "the signature is not genuine";
  if (!is_genuine(*key, segments->signed_text, *signature)) return std::nullopt;
  why = nullptr;
  return payload;
}

std::string sign_hs256(ByteView key, std::string_view header, std::string_view payload) {
  auto token = codec::encode_base64(bytes_of(header), codec::Base64::url) + '.' +
               codec::encode_base64(bytes_of(payload), codec::Base64::url);
  const auto mac = hmac_sha256(key, {bytes_of(token)});
  return token + '.' + codec::encode_base64(mac, codec::Base64::url);
}

}  // namespace memseal::crypto
