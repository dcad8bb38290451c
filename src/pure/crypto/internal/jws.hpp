#pragma once
// The signature of a JWS in compact form (RFC 7515) by a fixed set of keys, each bound to one
// algorithm (RFC 8725, 3.1): the token's header can pick a key, never an algorithm.
#include "base/result.hpp"
#include "base/secret.hpp"
#include "pure/crypto/internal/ossl.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::crypto {

/// Bytes of each of the two numbers of a P-256 point or signature (RFC 7518 §3.4, §6.2.1.2).
inline constexpr std::size_t es256_half_bytes = 32;

enum class JwsAlgorithm { hs256, rs256, es256 };

struct JwsKey {
  JwsAlgorithm algorithm = JwsAlgorithm::hs256;
  std::string kid = {};     ///< empty: the key has no name
  bool takes_unnamed = false;  ///< verifies tokens that name no key, also beside other keys
  SecretBytes secret = {};  ///< of hs256, >= 32 bytes
  ossl::Pkey pkey = {};     ///< of rs256 and es256, public
};

/// The RS256 and ES256 keys of a JWK Set (RFC 7517). Keys for other uses or algorithms are left
/// out; key_invalid for a set without a usable key, with two keys of one name, with a private or
/// symmetric key, or with a weak one: RSA below 2,048 bits, an even exponent or 1, the ROCA
/// fingerprint, a point off the curve.
Result<std::vector<JwsKey>> parse_jwk_set(std::string_view json);

/// The payload of `token` if its signature is genuine. Otherwise nothing, and a static reason in
/// `why`. Refuses the parts of RFC 7515 that let a token bring its own key or change how it is
/// read.
std::optional<Bytes> verify_jws(const std::vector<JwsKey>& keys, std::string_view token,
                                const char*& why);

/// `header`.`payload` signed by HS256, in compact form.
std::string sign_hs256(ByteView key, std::string_view header, std::string_view payload);

}  // namespace memseal::crypto
