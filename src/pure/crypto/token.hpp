#pragma once
// Bearer tokens: JWS compact form (RFC 7515, 7519, 8725), one algorithm per key.
#include "base/ids.hpp"
#include "base/secret.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace memseal::crypto {

/// Who a verified token speaks for.
struct Claims {
  UserId subject;
  std::int64_t expires_s = 0;  ///< Unix seconds
};

/// What a token must say besides being genuine. Empty strings are not checked.
struct TokenRules {
  std::string issuer = {};
  std::string audience = {};
  std::int64_t lifetime_s_max = 7 * 24 * 3'600;
  std::int64_t leeway_s = 30;
};

/// Verifies tokens. Immutable; any thread. Every refusal is `unauthenticated` with one and the
/// same message; `why` (for the log only) tells causes apart.
class TokenVerifier {
 public:
  /// HS256 with a key of at least 32 bytes (key_invalid otherwise).
  static Result<TokenVerifier> hs256(ByteView key, TokenRules rules);
  /// RS256 / ES256 keys of a JWK Set (RFC 7517) given as JSON text; the header's `kid` picks one.
  static Result<TokenVerifier> jwks(std::string_view json, TokenRules rules);
  ~TokenVerifier();
  TokenVerifier(TokenVerifier&&) noexcept;
  TokenVerifier& operator=(TokenVerifier&&) noexcept;

  /// `now_s`: Unix seconds. `why`, if given, receives a static reason on refusal.
  Result<Claims> verify(std::string_view token, std::int64_t now_s,
                        const char** why = nullptr) const;

 private:
  struct Keys;
  explicit TokenVerifier(std::unique_ptr<const Keys> keys);
  std::unique_ptr<const Keys> keys_;
};

/// A token as `memseal token mint` prints it: HS256, claims sub, iat, exp and, where set, iss, aud.
std::string mint_hs256(ByteView key, const UserId& subject, std::int64_t now_s,
                       std::int64_t lifetime_s, const TokenRules& rules = {});

}  // namespace memseal::crypto
