#pragma once
// Bearer tokens: JWS compact form (RFC 7515, 7519, 8725), one algorithm per key.
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/secret.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace memseal::crypto {

/// What a verified token says.
struct Claims {
  UserId subject;
  std::int64_t expires_s = 0;  ///< Unix seconds
  /// What names the token: its `jti` if that is [A-Za-z0-9._-]{1,64}, else "~" and 16 hex digits of
  /// the token's SHA-256. Says nothing from which a token could be made.
  std::string id = {};
};

/// What a genuine token must say to be accepted. Empty strings are not checked.
struct TokenRules {
  std::string issuer = {};
  std::string audience = {};
  std::int64_t lifetime_s_max = limits::token_lifetime_s_max;
  std::int64_t leeway_s = limits::token_leeway_s;
};

struct TokenKey;

/// Verifies tokens. Immutable but for replace_keys().
/// Thread: any.
/// Every refusal is `unauthenticated` with the same message, because the cause would help a forger.
/// `why` tells causes apart, for the log only.
class TokenVerifier {
 public:
  /// Verifies HS256.
  /// Error: key_invalid for a key of fewer than 32 bytes.
  static Result<TokenVerifier> hs256(ByteView key, TokenRules rules);
  /// Verifies HS256 by one of several keys, which the token's header names by `kid`. A token that
  /// names none is one of the first key, because that one was there before keys had names. A key
  /// that is alone takes any name.
  /// Error: key_invalid for a key of fewer than 32 bytes, or none.
  static Result<TokenVerifier> hs256_of(std::span<const TokenKey> keys, TokenRules rules);
  /// Verifies RS256 and ES256 by the keys of a JWK Set (RFC 7517), given as JSON text. The token's
  /// header picks one by `kid`.
  static Result<TokenVerifier> jwks(std::string_view json, TokenRules rules);
  ~TokenVerifier();
  TokenVerifier(TokenVerifier&&) noexcept;
  TokenVerifier& operator=(TokenVerifier&&) noexcept;

  /// Verifies by the keys and rules of `other` from now on.
  void replace_keys(const TokenVerifier& other);

  /// `now_s`: Unix seconds. `why`, if given, receives the cause of a refusal, with static lifetime.
  Result<Claims> verify(std::string_view token, std::int64_t now_s,
                        const char** why = nullptr) const;

 private:
  struct Keys;
  struct State;
  explicit TokenVerifier(std::shared_ptr<const Keys> keys);
  std::unique_ptr<State> state_;
};

/// Makes the token that `memseal token mint` prints: HS256, claims sub, iat, exp and, where set,
/// iss and aud. `kid` names the key in the header; empty: nothing does.
std::string mint_hs256(ByteView key, const UserId& subject, std::int64_t now_s,
                       std::int64_t lifetime_s, const TokenRules& rules = {},
                       std::string_view kid = {});

}  // namespace memseal::crypto
