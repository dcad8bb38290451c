#include "pure/crypto/token.hpp"

#include "base/assert.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/json_members.hpp"
#include "pure/crypto/internal/jws.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <utility>

namespace memseal::crypto {

struct TokenVerifier::Keys {
  std::vector<JwsKey> keys;
  TokenRules rules;
};

namespace {

constexpr std::size_t hs256_key_bytes_min = 32;

Error refusal() { return {Errc::unauthenticated, "the bearer token is not valid"}; }

// Whether the member is there and no number, which makes the token malformed.
bool is_no_number(const JsonMember* member) {
  return member != nullptr && member->kind != JsonMember::Kind::number;
}

const char* check_times(const JsonMembers& claims, std::int64_t now_s, const TokenRules& rules) {
  const auto* exp = claims.find("exp");
  const auto* iat = claims.find("iat");
  const auto* nbf = claims.find("nbf");
  if (exp == nullptr) return "no exp";
  if (is_no_number(exp) || is_no_number(iat) || is_no_number(nbf)) return "a time is no number";
  if (exp->number + rules.leeway_s <= now_s) return "expired";
  if (exp->number - now_s > rules.lifetime_s_max + rules.leeway_s) return "lives too long";
  if (nbf != nullptr && nbf->number > now_s + rules.leeway_s) return "not valid yet";
  if (iat == nullptr) return nullptr;
  if (iat->number > now_s + rules.leeway_s) return "issued in the future";
  if (iat->number > exp->number) return "expired before it was issued";
  if (exp->number - iat->number > rules.lifetime_s_max) return "lives too long";
  return nullptr;
}

bool names_audience(const JsonMember* aud, const std::string& wanted) {
  if (aud == nullptr) return false;
  if (aud->kind == JsonMember::Kind::text) return aud->text == wanted;
  return aud->kind == JsonMember::Kind::texts &&
         std::find(aud->texts.begin(), aud->texts.end(), wanted) != aud->texts.end();
}

const char* check_parties(const JsonMembers& claims, const TokenRules& rules) {
  const auto* iss = claims.find("iss");
  if (iss != nullptr && iss->kind != JsonMember::Kind::text) return "iss is no text";
  if (!rules.issuer.empty() && (iss == nullptr || iss->text != rules.issuer))
    return "another issuer";
  if (!rules.audience.empty() && !names_audience(claims.find("aud"), rules.audience))
    return "another audience";
  return nullptr;
}

}  // namespace

TokenVerifier::TokenVerifier(std::unique_ptr<const Keys> keys) : keys_(std::move(keys)) {}
TokenVerifier::~TokenVerifier() = default;
TokenVerifier::TokenVerifier(TokenVerifier&&) noexcept = default;
TokenVerifier& TokenVerifier::operator=(TokenVerifier&&) noexcept = default;

Result<TokenVerifier> TokenVerifier::hs256(ByteView key, TokenRules rules) {
  if (key.size() < hs256_key_bytes_min)
    return Error{Errc::key_invalid, "an HS256 key has at least 32 bytes"};
  auto keys = std::make_unique<Keys>();
  keys->keys.push_back({.algorithm = JwsAlgorithm::hs256, .secret = SecretBytes(key)});
  keys->rules = std::move(rules);
  return TokenVerifier(std::move(keys));
}

Result<TokenVerifier> TokenVerifier::jwks(std::string_view json, TokenRules rules) {
  auto set = parse_jwk_set(json);
  if (!set) return set.error();
  auto keys = std::make_unique<Keys>();
  keys->keys = std::move(*set);
  keys->rules = std::move(rules);
  return TokenVerifier(std::move(keys));
}

Result<Claims> TokenVerifier::verify(std::string_view token, std::int64_t now_s,
                                     const char** why) const {
  const char* reason = nullptr;
  const auto refuse = [&] {
    if (why != nullptr) *why = reason;
    return refusal();
  };
  const auto payload = verify_jws(keys_->keys, token, reason);
  if (!payload) return refuse();
  reason = "the claims are no JSON object";
  const auto claims = JsonMembers::parse(text_of(*payload));
  if (!claims) return refuse();
  if ((reason = check_times(*claims, now_s, keys_->rules)) != nullptr) return refuse();
  if ((reason = check_parties(*claims, keys_->rules)) != nullptr) return refuse();
  reason = "no sub";
  const auto* sub = claims->find("sub");
  if (sub == nullptr || sub->kind != JsonMember::Kind::text) return refuse();
  reason = "sub is no user id";
  auto user = UserId::parse(sub->text);
  if (!user) return refuse();
  return Claims{std::move(*user), claims->find("exp")->number};
}

std::string mint_hs256(ByteView key, const UserId& subject, std::int64_t now_s,
                       std::int64_t lifetime_s, const TokenRules& rules) {
  MEMSEAL_ASSERT(key.size() >= hs256_key_bytes_min);
  boost::json::object claims{{"sub", subject.value()}, {"iat", now_s}, {"exp", now_s + lifetime_s}};
  if (!rules.issuer.empty()) claims["iss"] = rules.issuer;
  if (!rules.audience.empty()) claims["aud"] = rules.audience;
  return sign_hs256(key, R"({"alg":"HS256","typ":"JWT"})", boost::json::serialize(claims));
}

}  // namespace memseal::crypto
