#include "pure/crypto/token.hpp"

#include "base/assert.hpp"
#include "base/ids.hpp"
#include "pure/codec/ascii.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/jws.hpp"
#include "pure/crypto/internal/token_json.hpp"
#include "pure/crypto/keyring.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

namespace memseal::crypto {

struct TokenVerifier::Keys {
  std::vector<JwsKey> keys;
  TokenRules rules;
};

struct TokenVerifier::State {
  std::mutex mutex;
  std::shared_ptr<const Keys> keys;  // never null

  std::shared_ptr<const Keys> now() {
    const std::lock_guard lock(mutex);
    return keys;
  }
};

namespace {

constexpr std::size_t hs256_key_bytes_min = 32;

// One message for every cause. A forger must not learn which check failed.
Error refusal() { return {Errc::unauthenticated, "the bearer token is not valid"}; }

struct Times {
  std::optional<std::int64_t> exp, iat, nbf;  // Unix seconds
};

// Returns false if a time is there and is not a number.
bool read_times(const boost::json::object& claims, Times& times) {
  const auto read = [&](const char* name, std::optional<std::int64_t>& time) {
    const auto* value = claims.if_contains(name);
    if (value != nullptr) time = whole_number(*value);
    return value == nullptr || time.has_value();
  };
  return read("exp", times.exp) && read("iat", times.iat) && read("nbf", times.nbf);
}

// REQUIRES: exp is there. read_times() keeps every number below 2^53, so no sum here overflows.
// The limit on the lifetime bounds what a stolen token is worth, because tokens cannot be revoked.
// A token without iat is measured from now.
const char* check_times(const Times& times, std::int64_t now_s, const TokenRules& rules) {
  const auto& [exp, iat, nbf] = times;
  if (*exp + rules.leeway_s <= now_s) return "expired";
  if (*exp - now_s > rules.lifetime_s_max + rules.leeway_s) return "lives too long";
  if (nbf && *nbf > now_s + rules.leeway_s) return "not valid yet";
  if (!iat) return nullptr;
  if (*iat > now_s + rules.leeway_s) return "issued in the future";
  if (*iat > *exp) return "expired before it was issued";
  if (*exp - *iat > rules.lifetime_s_max) return "lives too long";
  return nullptr;
}

const char* check_parties(const boost::json::object& claims, const TokenRules& rules) {
  // A claim of a wrong type is refused even where no issuer is required, because its writer meant
  // something that is not understood here.
  const auto issuer = text_member(claims, "iss");
  if (!issuer && claims.contains("iss")) return "iss is no text";
  if (!rules.issuer.empty() && issuer != rules.issuer) return "another issuer";
  const auto* audience = claims.if_contains("aud");
  if (!rules.audience.empty() && (audience == nullptr || !holds_text(*audience, rules.audience)))
    return "another audience";
  return nullptr;
}

// A log repeats the id, so that of an identity provider is taken only where it is harmless.
std::string id_of_token(const boost::json::object& claims, std::string_view token) {
  const auto given = text_member(claims, "jti");
  if (given && codec::is_plain_id(*given)) return std::string(*given);
  const auto digest = sha256(bytes_of(token));
  return "~" + to_hex(digest.data(), 8);
}

}  // namespace

TokenVerifier::TokenVerifier(std::shared_ptr<const Keys> keys)
    : state_(std::make_unique<State>()) {
  state_->keys = std::move(keys);
}
TokenVerifier::~TokenVerifier() = default;
TokenVerifier::TokenVerifier(TokenVerifier&&) noexcept = default;
TokenVerifier& TokenVerifier::operator=(TokenVerifier&&) noexcept = default;

Result<TokenVerifier> TokenVerifier::hs256(ByteView key, TokenRules rules) {
  const TokenKey alone{.kid = {}, .key = key};
  return hs256_of(std::span(&alone, 1), std::move(rules));
}

Result<TokenVerifier> TokenVerifier::hs256_of(std::span<const TokenKey> named, TokenRules rules) {
  auto keys = std::make_shared<Keys>();
  for (const auto& [kid, key] : named) {
    if (key.size() < hs256_key_bytes_min)
      return Error{Errc::key_invalid, "an HS256 key has at least 32 bytes"};
    keys->keys.push_back({.algorithm = JwsAlgorithm::hs256,
                          .kid = named.size() > 1 ? kid : std::string(),
                          .takes_unnamed = keys->keys.empty(),
                          .secret = SecretBytes(key)});
  }
  if (keys->keys.empty()) return Error{Errc::key_invalid, "there is no key to verify tokens with"};
  keys->rules = std::move(rules);
  return TokenVerifier(std::move(keys));
}

Result<TokenVerifier> TokenVerifier::jwks(std::string_view json, TokenRules rules) {
  auto set = parse_jwk_set(json);
  if (!set) return set.error();
  auto keys = std::make_shared<Keys>();
  keys->keys = std::move(*set);
  keys->rules = std::move(rules);
  return TokenVerifier(std::move(keys));
}

void TokenVerifier::replace_keys(const TokenVerifier& other) {
  auto next = other.state_->now();
  const std::lock_guard lock(state_->mutex);
  state_->keys = std::move(next);
}

Result<Claims> TokenVerifier::verify(std::string_view token, std::int64_t now_s,
                                     const char** why) const {
  const auto keys = state_->now();  // One set for the whole token.
  const char* reason = nullptr;
  const auto refuse = [&] {
    if (why != nullptr) *why = reason;
    return refusal();
  };
  // Claims are parsed only after the signature is genuine.
  const auto payload = verify_jws(keys->keys, token, reason);
  if (!payload) return refuse();
  reason = "the claims are no JSON object";
  const auto claims = parse_token_json(text_of(*payload));
  if (!claims) return refuse();
  reason = "no exp";
  if (!claims->contains("exp")) return refuse();
  reason = "a time is no number";
  Times times;
  if (!read_times(*claims, times)) return refuse();
  if ((reason = check_times(times, now_s, keys->rules)) != nullptr) return refuse();
  if ((reason = check_parties(*claims, keys->rules)) != nullptr) return refuse();
  reason = "no sub";
  const auto sub = text_member(*claims, "sub");
  if (!sub) return refuse();
  reason = "sub is no user id";
  auto user = UserId::parse(*sub);
  if (!user) return refuse();
  return Claims{std::move(*user), *times.exp, id_of_token(*claims, token)};
}

std::string mint_hs256(ByteView key, const UserId& subject, std::int64_t now_s,
                       std::int64_t lifetime_s, const TokenRules& rules, std::string_view kid) {
  MEMSEAL_ASSERT(key.size() >= hs256_key_bytes_min);
  boost::json::object claims{{"sub", subject.value()}, {"iat", now_s}, {"exp", now_s + lifetime_s}};
  if (!rules.issuer.empty()) claims["iss"] = rules.issuer;
  if (!rules.audience.empty()) claims["aud"] = rules.audience;
  boost::json::object header{{"alg", "HS256"}, {"typ", "JWT"}};
  if (!kid.empty()) header["kid"] = kid;
  return sign_hs256(key, boost::json::serialize(header), boost::json::serialize(claims));
}

}  // namespace memseal::crypto
