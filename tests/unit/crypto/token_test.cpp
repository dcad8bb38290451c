#include "pure/crypto/token.hpp"

#include "pure/crypto/internal/jws.hpp"
#include "support.hpp"

#include <set>

namespace memseal::crypto {
namespace {

using namespace testing;

constexpr std::int64_t now_s = 1'800'000'000;
const SecretBytes key = key_of(7);
const std::string plain_header = R"({"alg":"HS256","typ":"JWT"})";

std::string claims(std::string_view more = "", std::string_view exp = "1800003600") {
  return R"({"sub":"ann","exp":)" + std::string(exp) + std::string(more) + "}";
}

std::string token(std::string_view payload, std::string_view header = plain_header) {
  return sign_hs256(key.view(), header, payload);
}

TokenVerifier verifier(TokenRules rules = {}) {
  return TokenVerifier::hs256(key.view(), std::move(rules)).value();
}

// The static reason of a refusal; empty when the token is taken.
std::string refusal(const TokenVerifier& by, std::string_view candidate,
                    std::int64_t at_s = now_s) {
  const char* why = nullptr;
  const auto verified = by.verify(candidate, at_s, &why);
  if (verified) return "";
  EXPECT_EQ(verified.error(), (Error{Errc::unauthenticated, "the bearer token is not valid"}))
      << "every refusal looks alike";
  EXPECT_NE(why, nullptr);
  return why == nullptr ? "?" : why;
}

TEST(TokenVerifier, TakesWhatMemsealMints) {
  const auto user = UserId::parse("ann \"quoted\" \xc3\xa9").value();
  const auto minted = mint_hs256(key.view(), user, now_s, 3'600);
  const auto verified = verifier().verify(minted, now_s);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->subject, user);
  EXPECT_EQ(verified->expires_s, now_s + 3'600);
  const TokenRules rules{.issuer = "us", .audience = "memseal"};
  EXPECT_EQ(refusal(verifier(rules), mint_hs256(key.view(), user, now_s, 60, rules)), "");
  EXPECT_EQ(refusal(verifier(rules), minted), "another issuer");
}

TEST(TokenVerifier, RefusesAShortKey) {
  EXPECT_EQ(TokenVerifier::hs256(key_of(1, 31).view(), {}).error().code, Errc::key_invalid);
  EXPECT_EQ(TokenVerifier::hs256({}, {}).error().code, Errc::key_invalid);
}

TEST(TokenVerifier, KeysTakeTurnsByTheNameInTheHeader) {
  const auto user = UserId::parse("ann").value();
  const auto old_key = key_of(1), new_key = key_of(2), stranger = key_of(3);
  const auto unnamed = mint_hs256(old_key.view(), user, now_s, 60);
  const auto first = mint_hs256(old_key.view(), user, now_s, 60, {}, "1");
  const auto second = mint_hs256(new_key.view(), user, now_s, 60, {}, "2");
  const std::vector<TokenKey> before{{"1", old_key.view()}};
  const std::vector<TokenKey> both{{"1", old_key.view()}, {"2", new_key.view()}};
  const std::vector<TokenKey> after{{"2", new_key.view()}};

  auto by = TokenVerifier::hs256_of(before, {}).value();
  EXPECT_TRUE(by.verify(unnamed, now_s) && by.verify(first, now_s));
  EXPECT_FALSE(by.verify(second, now_s));
  by.replace_keys(TokenVerifier::hs256_of(both, {}).value());
  for (const auto& token : {unnamed, first, second}) EXPECT_TRUE(by.verify(token, now_s));
  EXPECT_FALSE(by.verify(mint_hs256(new_key.view(), user, now_s, 60), now_s))
      << "a token without a name is one of the oldest key";
  EXPECT_FALSE(by.verify(mint_hs256(new_key.view(), user, now_s, 60, {}, "1"), now_s));
  EXPECT_FALSE(by.verify(mint_hs256(new_key.view(), user, now_s, 60, {}, "3"), now_s));
  EXPECT_FALSE(by.verify(mint_hs256(stranger.view(), user, now_s, 60, {}, "2"), now_s));
  by.replace_keys(TokenVerifier::hs256_of(after, {}).value());
  EXPECT_TRUE(by.verify(second, now_s));
  for (const auto& token : {unnamed, first}) EXPECT_FALSE(by.verify(token, now_s));
  EXPECT_EQ(TokenVerifier::hs256_of({}, {}).error().code, Errc::key_invalid);
}

TEST(TokenVerifier, TakesOddButHonestTokens) {
  const auto by = verifier();
  for (const auto& payload :
       {claims(), claims(R"(,"iat":1800000000,"nbf":1800000000)"), claims(R"(,"iat":1800000029)"),
        claims(R"(,"nbf":1800000030)"), claims("", "1800003600.75"), claims("", "1.8000036e9"),
        claims(R"(,"roles":["a",{"b":[1]}],"x":{"sub":"bob"},"y":null,"z":true)"),
        " " + claims() + "\n", claims(R"(,"aud":["x"])"), claims("", "1799999971")})
    EXPECT_EQ(refusal(by, token(payload)), "") << payload;
  for (const char* header :
       {R"({"alg":"HS256"})", R"({"typ":"jwt","alg":"HS256"})", R"({"typ":"at+jwt","alg":"HS256"})",
        R"({"typ":"application/at+JWT","alg":"HS256"})", R"({"alg":"HS256","kid":"any-1"})",
        R"({ "alg" : "HS256", "x": {"y": [1]} })", R"({"alg":"HS256","x5t":"abc"})"})
    EXPECT_EQ(refusal(by, token(claims(), header)), "") << header;
}

TEST(TokenVerifier, RefusesBadClaims) {
  struct Case {
    const char* what;
    std::string payload;
    const char* why;
  };
  const Case cases[] = {
      {"no exp", R"({"sub":"ann"})", "no exp"},
      {"exp as text", claims("", R"("1800003600")"), "a time is no number"},
      {"exp null", claims("", "null"), "a time is no number"},
      {"exp true", claims("", "true"), "a time is no number"},
      {"exp array", claims("", "[1800003600]"), "a time is no number"},
      {"exp object", claims("", "{}"), "a time is no number"},
      {"exp huge", claims("", "1e300"), "a time is no number"},
      {"exp beyond exact", claims("", "9007199254740993"), "a time is no number"},
      {"exp of 64 bits", claims("", "18446744073709551615"), "a time is no number"},
      {"exp wraps", claims("", "-9223372036854775808"), "a time is no number"},
      {"exp zero", claims("", "0"), "expired"},
      {"exp negative", claims("", "-1"), "expired"},
      {"exp just past leeway", claims("", "1799999970"), "expired"},
      {"exp beyond a lifetime", claims("", "1800604831"), "lives too long"},
      {"exp in milliseconds", claims("", "1800003600000"), "lives too long"},
      {"iat too old for exp", claims(R"(,"iat":1799000000)"), "lives too long"},
      {"iat in the future", claims(R"(,"iat":1800000031)"), "issued in the future"},
      {"iat after exp", claims(R"(,"iat":1800000010)", "1800000005"),
       "expired before it was issued"},
      {"iat as text", claims(R"(,"iat":"now")"), "a time is no number"},
      {"iat null", claims(R"(,"iat":null)"), "a time is no number"},
      {"nbf in the future", claims(R"(,"nbf":1800000031)"), "not valid yet"},
      {"nbf as text", claims(R"(,"nbf":"0")"), "a time is no number"},
      {"nbf huge", claims(R"(,"nbf":1e40)"), "a time is no number"},
      {"no sub", R"({"exp":1800003600})", "no sub"},
      {"sub a number", R"({"sub":1,"exp":1800003600})", "no sub"},
      {"sub null", R"({"sub":null,"exp":1800003600})", "no sub"},
      {"sub a list", R"({"sub":["ann"],"exp":1800003600})", "no sub"},
      {"sub empty", R"({"sub":"","exp":1800003600})", "sub is no user id"},
      {"sub of 257 bytes", R"({"sub":")" + std::string(257, 'a') + R"(","exp":1800003600})",
       "sub is no user id"},
      {"sub twice", claims(R"(,"sub":"bob")"), "the claims are no JSON object"},
      {"sub twice, once escaped", claims(R"(,"\u0073ub":"bob")"), "the claims are no JSON object"},
      {"exp twice", claims(R"(,"exp":1800003600)"), "the claims are no JSON object"},
      {"iss a number", claims(R"(,"iss":5)"), "iss is no text"},
      {"an array", "[" + claims() + "]", "the claims are no JSON object"},
      {"a text", R"("ann")", "the claims are no JSON object"},
      {"nothing", "", "the claims are no JSON object"},
      {"null", "null", "the claims are no JSON object"},
      {"two objects", claims() + claims(), "the claims are no JSON object"},
      {"something behind", claims() + "x", "the claims are no JSON object"},
      {"a trailing comma", R"({"sub":"ann","exp":1800003600,})", "the claims are no JSON object"},
      {"a comment", R"({"sub":"ann",/**/"exp":1800003600})", "the claims are no JSON object"},
      {"cut short", R"({"sub":"ann","exp":1800003600)", "the claims are no JSON object"},
      {"not UTF-8", "{\"sub\":\"\xff\",\"exp\":1800003600}", "the claims are no JSON object"},
      {"a lone surrogate", R"({"sub":"\ud800","exp":1800003600})", "the claims are no JSON object"},
      {"deep nesting", claims(R"(,"x":[[[[[[[[[[1]]]]]]]]]])"), "the claims are no JSON object"},
      {"leading zero", claims("", "01800003600"), "the claims are no JSON object"},
      {"NaN", claims("", "NaN"), "the claims are no JSON object"},
  };
  const auto by = verifier();
  for (const auto& bad : cases) EXPECT_EQ(refusal(by, token(bad.payload)), bad.why) << bad.what;
}

TEST(TokenVerifier, RefusesBadHeaders) {
  struct Case {
    const char* header;
    const char* why;
  };
  const Case cases[] = {
      {R"({"alg":"none"})", "the key is not for this alg"},
      {R"({"alg":"None"})", "the key is not for this alg"},
      {R"({"alg":"hs256"})", "the key is not for this alg"},
      {R"({"alg":"HS384"})", "the key is not for this alg"},
      {R"({"alg":"HS512"})", "the key is not for this alg"},
      {R"({"alg":"RS256"})", "the key is not for this alg"},
      {R"({"alg":"ES256"})", "the key is not for this alg"},
      {R"({"alg":""})", "the key is not for this alg"},
      {R"({"alg":256})", "the header has no alg"},
      {R"({"alg":["HS256"]})", "the header has no alg"},
      {R"({"alg":null})", "the header has no alg"},
      {R"({"typ":"JWT"})", "the header has no alg"},
      {R"({})", "the header has no alg"},
      {R"({"alg":"HS256","alg":"HS256"})", "the header is no JSON object"},
      {R"({"alg":"none","alg":"HS256"})", "the header is no JSON object"},
      {R"({"alg":"HS256","jku":"https://example.org/keys"})", "the header has a refused member"},
      {R"({"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}})", "the header has a refused member"},
      {R"({"alg":"HS256","x5u":"https://example.org/c"})", "the header has a refused member"},
      {R"({"alg":"HS256","x5c":[]})", "the header has a refused member"},
      {R"({"alg":"HS256","crit":["exp"]})", "the header has a refused member"},
      {R"({"alg":"HS256","crit":[]})", "the header has a refused member"},
      {R"({"alg":"HS256","b64":false})", "the header has a refused member"},
      {R"({"alg":"HS256","b64":true})", "the header has a refused member"},
      {R"({"alg":"HS256","zip":"DEF"})", "the header has a refused member"},
      {R"({"alg":"HS256","cty":"JWT"})", "the header has a refused member"},
      {R"({"alg":"HS256","enc":"A256GCM"})", "the header has a refused member"},
      {R"({"alg":"HS256","p2c":1})", "the header has a refused member"},
      {R"({"alg":"HS256","typ":"JOSE"})", "unknown typ"},
      {R"({"alg":"HS256","typ":"secevent+jwt"})", "unknown typ"},
      {R"({"alg":"HS256","typ":""})", "unknown typ"},
      {R"({"alg":"HS256","typ":1})", "unknown typ"},
      {R"({"alg":"HS256","kid":""})", "malformed kid"},
      {R"({"alg":"HS256","kid":"a b"})", "malformed kid"},
      {R"({"alg":"HS256","kid":"a\u0000b"})", "malformed kid"},
      {R"({"alg":"HS256","kid":7})", "malformed kid"},
      {R"(["HS256"])", "the header is no JSON object"},
      {R"(HS256)", "the header is no JSON object"},
      {"", "the header is no JSON object"},
      {R"({"alg":"HS256"} x)", "the header is no JSON object"},
  };
  const auto by = verifier();
  for (const auto& bad : cases)
    EXPECT_EQ(refusal(by, token(claims(), bad.header)), bad.why) << bad.header;
  EXPECT_EQ(
      refusal(by, token(claims(), R"({"alg":"HS256","kid":")" + std::string(129, 'k') + R"("})")),
      "malformed kid");
}

TEST(TokenVerifier, RefusesBadForms) {
  const auto by = verifier();
  const auto good = token(claims());
  ASSERT_EQ(refusal(by, good), "");
  const auto first = good.find('.'), second = good.rfind('.');
  const auto header = good.substr(0, first), payload = good.substr(first + 1, second - first - 1);
  const auto signature = good.substr(second + 1);
  const std::string bad[] = {"",
                             ".",
                             "..",
                             "...",
                             "a",
                             header,
                             header + "." + payload,
                             header + "." + payload + ".",
                             "." + payload + "." + signature,
                             header + ".." + signature,
                             good + ".",
                             "." + good,
                             good + ".x",
                             good + "=",
                             good + " ",
                             " " + good,
                             good + "\n",
                             "Bearer " + good,
                             header + "=." + payload + "." + signature,
                             header + "." + payload + "==." + signature,
                             header + "." + payload + "." + signature.substr(1),
                             good.substr(0, good.size() - 1),
                             good + "A",
                             header + "." + payload + "." + std::string(43, 'A'),
                             R"({"payload":")" + payload + R"(","signatures":[]})",
                             header + "\n." + payload + "." + signature,
                             std::string("\0", 1) + good,
                             token(claims(R"(,"pad":")" + std::string(4'096, 'p') + "\""))};
  for (const auto& candidate : bad) EXPECT_NE(refusal(by, candidate), "") << candidate;
}

TEST(TokenVerifier, RefusesATokenWithAnyOneCharacterChanged) {
  const auto by = verifier();
  const auto good = token(claims());
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const char other : {'A', 'B', '-', '.', '=', '+'}) {
      auto changed = good;
      if (changed[i] == other) continue;
      changed[i] = other;
      EXPECT_NE(refusal(by, changed), "") << i << ' ' << other;
    }
}

TEST(TokenVerifier, RefusesATokenOfAnotherKey) {
  const auto other = TokenVerifier::hs256(key_of(8).view(), {}).value();
  EXPECT_EQ(refusal(other, token(claims())), "the signature is not genuine");
}

TEST(TokenVerifier, AsksForIssuerAndAudienceWhereTheyAreSet) {
  const auto by = verifier({.issuer = "us", .audience = "memseal"});
  const std::pair<const char*, const char*> cases[] = {
      {R"(,"iss":"us","aud":"memseal")", ""},
      {R"(,"iss":"us","aud":["other","memseal"])", ""},
      {R"(,"aud":"memseal")", "another issuer"},
      {R"(,"iss":"them","aud":"memseal")", "another issuer"},
      {R"(,"iss":"US","aud":"memseal")", "another issuer"},
      {R"(,"iss":"us")", "another audience"},
      {R"(,"iss":"us","aud":"other")", "another audience"},
      {R"(,"iss":"us","aud":[])", "another audience"},
      {R"(,"iss":"us","aud":["memseal",1])", "another audience"},
      {R"(,"iss":"us","aud":[["memseal"]])", "another audience"},
      {R"(,"iss":"us","aud":{"memseal":1})", "another audience"}};
  for (const auto& [more, why] : cases) EXPECT_EQ(refusal(by, token(claims(more))), why) << more;
}

TEST(TokenVerifier, HoldsToItsOwnLifetimeAndLeeway) {
  const auto by = verifier({.lifetime_s_max = 100, .leeway_s = 0});
  EXPECT_EQ(refusal(by, token(claims("", "1800000100"))), "");
  EXPECT_EQ(refusal(by, token(claims("", "1800000101"))), "lives too long");
  EXPECT_EQ(refusal(by, token(claims("", "1800000001"))), "");
  EXPECT_EQ(refusal(by, token(claims("", "1800000000"))), "expired");
  EXPECT_EQ(refusal(by, token(claims(R"(,"iat":1800000001)", "1800000050"))),
            "issued in the future");
}

}  // namespace
}  // namespace memseal::crypto
