// Project Wycheproof's JSON Web Signature and Key vectors. Their payloads are no claims, so they
// are put to the signature check below TokenVerifier.
#include "pure/crypto/internal/jws.hpp"

#include "pure/crypto/token.hpp"
#include "support.hpp"

#include <map>
#include <set>

namespace memseal::crypto {
namespace {

using namespace testing;

const json::object& jwk_of(const json::value& group) {
  const auto& object = group.as_object();
  return object.at(object.contains("public") ? "public" : "private").as_object();
}

// The keys of a group as a deployment would be given them: public ones by a JWK Set, an HS256 one
// by itself. Nothing where such keys are refused or not for us.
std::vector<JwsKey> keys_of(const json::object& jwk) {
  std::vector<JwsKey> keys;
  if (text(jwk, "kty") == "oct") {
    auto secret = codec::decode_base64(text(jwk, "k"), codec::Base64::url);
    if (text(jwk, "alg") != "HS256" || !secret || secret->size() < 32) return keys;
    keys.push_back({.algorithm = JwsAlgorithm::hs256,
                    .kid = std::string(text(jwk, "kid")),
                    .secret = SecretBytes(ByteView(*secret))});
    return keys;
  }
  auto set = parse_jwk_set(json::serialize(json::object{{"keys", json::array{jwk}}}));
  return set ? std::move(*set) : std::move(keys);
}

std::string algorithm_of(const json::object& jwk) {
  return jwk.contains("alg") ? std::string(text(jwk, "alg")) : "";
}

// Two vectors called invalid (367 and 370) are, byte for byte, the one called valid (357): a slip
// of the collection that nobody can satisfy.
bool is_called_valid_too(const json::value& group, std::string_view jws) {
  for (const auto& test : group.at("tests").as_array())
    if (text(test, "result") == "valid" && text(test, "jws") == jws) return true;
  return false;
}

TEST(Jws, AcceptsNoInvalidWycheproofVectorAndRefusesValidOnesByPolicyOnly) {
  const std::set<std::string> foreign_algorithms{"RS384", "RS512", "PS256",
                                                 "PS384", "PS512", "ES521"};
  // Foreign characters in the base64url of the header and of the payload: valid to the collection,
  // to us a second spelling of the same token.
  const std::set<std::int64_t> refused_by_policy{372, 373};
  int accepted = 0, refused = 0, foreign = 0, by_policy = 0, contradictory = 0;
  const auto all = wycheproof("json_web_signature_test.json");
  for (const auto& group : all.at("testGroups").as_array()) {
    const auto& jwk = jwk_of(group);
    const auto keys = keys_of(jwk);
    for (const auto& test : group.at("tests").as_array()) {
      const char* why = nullptr;
      const auto jws = text(test, "jws");
      const bool taken = verify_jws(keys, jws, why).has_value();
      const auto id = test.at("tcId").as_int64();
      if (text(test, "result") == "invalid" && is_called_valid_too(group, jws)) {
        ++contradictory;
      } else if (text(test, "result") == "invalid") {
        EXPECT_FALSE(taken) << "false accept of " << id << ' ' << text(test, "comment");
        ++refused;
      } else if (taken) {
        ++accepted;
      } else if (foreign_algorithms.contains(algorithm_of(jwk))) {
        ++foreign;
      } else {
        EXPECT_TRUE(refused_by_policy.contains(id)) << "refused " << id << ": " << why;
        ++by_policy;
      }
    }
  }
  EXPECT_EQ(refused, 353);
  EXPECT_EQ(contradictory, 2);
  EXPECT_EQ(accepted, 18);
  EXPECT_EQ(foreign, 26) << "algorithms that are not ours";
  EXPECT_EQ(by_policy, 2);
}

TEST(Jws, AcceptsNoTokenUnderAWycheproofKeySetThatIsBad) {
  // Valid to the collection, but sets of symmetric keys: those never come from a JWK Set here.
  const std::set<std::int64_t> symmetric{2, 13, 14, 15};
  int accepted = 0, refused = 0;
  const auto all = wycheproof("json_web_key_test.json");
  for (const auto& group : all.at("testGroups").as_array()) {
    const auto set = parse_jwk_set(json::serialize(jwk_of(group)));
    for (const auto& test : group.at("tests").as_array()) {
      const char* why = nullptr;
      const bool taken = set && verify_jws(*set, text(test, "jws"), why).has_value();
      const auto id = test.at("tcId").as_int64();
      const bool expected = text(test, "result") == "valid" && !symmetric.contains(id);
      EXPECT_EQ(taken, expected) << id << ' ' << text(test, "comment");
      ++(taken ? accepted : refused);
    }
  }
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(refused, 25);
}

TEST(Jws, NamesTheReasonWhyAKeySetIsRefused) {
  const std::map<std::string, std::string> reasons{{"jws_mixedSymmetryKeyset", "symmetric"},
                                                   {"jws_keyset", "symmetric"},
                                                   {"jws_rsa_roca_key", "ROCA"},
                                                   {"keysize_too_small", "2,048"},
                                                   {"exponentOne", "exponent"},
                                                   {"invalid_point", "point"},
                                                   {"invalid_use", "no RS256 or ES256 key"},
                                                   {"wrong_curve", "no RS256 or ES256 key"}};
  std::size_t seen = 0;
  const auto all = wycheproof("json_web_key_test.json");
  for (const auto& group : all.at("testGroups").as_array()) {
    const auto reason = reasons.find(std::string(text(group, "comment")));
    if (reason == reasons.end()) continue;
    ++seen;
    const auto set = parse_jwk_set(json::serialize(jwk_of(group)));
    ASSERT_FALSE(set) << reason->first;
    EXPECT_EQ(set.error().code, Errc::key_invalid);
    EXPECT_NE(set.error().message.find(reason->second), std::string::npos) << set.error().message;
  }
  EXPECT_EQ(seen, reasons.size());
}

// A fresh key pair, its JWK, and tokens signed by it.
struct Signer {
  ossl::Pkey pkey;
  json::object jwk;

  static std::string octets(EVP_PKEY* key, const char* name, int width) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key, name, &number);
    const ossl::Bignum owned(number);
    Bytes raw(static_cast<std::size_t>(width > 0 ? width : BN_num_bytes(number)));
    BN_bn2binpad(number, raw.data(), static_cast<int>(raw.size()));
    return codec::encode_base64(raw, codec::Base64::url);
  }
  static Signer rsa(const char* kid) {
    Signer made{ossl::Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2'048})), {}};
    made.jwk = {{"kty", "RSA"},
                {"use", "sig"},
                {"alg", "RS256"},
                {"kid", kid},
                {"n", octets(made.pkey.get(), "n", 0)},
                {"e", octets(made.pkey.get(), "e", 0)}};
    return made;
  }
  static Signer p256(const char* kid) {
    Signer made{ossl::Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")), {}};
    made.jwk = {{"kty", "EC"},
                {"crv", "P-256"},
                {"kid", kid},
                {"x", octets(made.pkey.get(), "qx", 32)},
                {"y", octets(made.pkey.get(), "qy", 32)}};
    return made;
  }

  Bytes signature(std::string_view signed_text) const {
    const ossl::MdCtx context(EVP_MD_CTX_new());
    EVP_DigestSignInit_ex(context.get(), nullptr, "SHA2-256", nullptr, nullptr, pkey.get(),
                          nullptr);
    std::size_t size = 512;
    Bytes made(size);
    EVP_DigestSign(context.get(), made.data(), &size, bytes_of(signed_text).data(),
                   signed_text.size());
    made.resize(size);
    if (jwk.at("kty") != "EC") return made;
    const auto* from = static_cast<const std::uint8_t*>(made.data());
    const ossl::EcdsaSig pair(d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(size)));
    Bytes fixed(64);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), fixed.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), fixed.data() + 32, 32);
    return fixed;
  }
  std::string token(std::string_view header, std::string_view payload) const {
    const auto head = codec::encode_base64(bytes_of(header), codec::Base64::url) + '.' +
                      codec::encode_base64(bytes_of(payload), codec::Base64::url);
    return head + '.' + codec::encode_base64(signature(head), codec::Base64::url);
  }
};

std::string set_of(std::initializer_list<json::object> keys) {
  return json::serialize(json::object{{"keys", json::array(keys.begin(), keys.end())}});
}

constexpr std::string_view payload = R"({"sub":"ann","exp":1800003600})";
constexpr std::int64_t checked_s = 1'800'000'000;

TEST(TokenVerifier, VerifiesRs256AndEs256ByTheKeyThatTheHeaderNames) {
  const auto rsa = Signer::rsa("r1"), ec = Signer::p256("e1");
  const auto by = TokenVerifier::jwks(set_of({rsa.jwk, ec.jwk}), {});
  ASSERT_TRUE(by);
  EXPECT_TRUE(by->verify(rsa.token(R"({"alg":"RS256","kid":"r1"})", payload), checked_s));
  EXPECT_TRUE(by->verify(ec.token(R"({"alg":"ES256","kid":"e1"})", payload), checked_s));
  for (const auto& bad : {rsa.token(R"({"alg":"RS256","kid":"e1"})", payload),
                          rsa.token(R"({"alg":"RS256","kid":"r2"})", payload),
                          rsa.token(R"({"alg":"RS256"})", payload),
                          rsa.token(R"({"alg":"ES256","kid":"r1"})", payload),
                          ec.token(R"({"alg":"RS256","kid":"e1"})", payload),
                          ec.token(R"({"alg":"ES256","kid":"r1"})", payload),
                          ec.token(R"({"alg":"none","kid":"e1"})", payload)})
    EXPECT_FALSE(by->verify(bad, checked_s)) << bad;
}

TEST(TokenVerifier, IsNotFooledByAPublicKeyUsedAsAnHs256Secret) {
  const auto rsa = Signer::rsa("r1");
  const auto by = TokenVerifier::jwks(set_of({rsa.jwk}), {}).value();
  const auto modulus =
      codec::decode_base64(std::string_view(rsa.jwk.at("n").as_string()), codec::Base64::url);
  const auto forged = sign_hs256(*modulus, R"({"alg":"HS256","kid":"r1"})", payload);
  const char* why = nullptr;
  EXPECT_FALSE(by.verify(forged, checked_s, &why));
  EXPECT_STREQ(why, "the key is not for this alg");
}

TEST(TokenVerifier, NeedsNoKidWhereASetHasOneKey) {
  const auto ec = Signer::p256("e1");
  const auto by = TokenVerifier::jwks(set_of({ec.jwk}), {}).value();
  EXPECT_TRUE(by.verify(ec.token(R"({"alg":"ES256"})", payload), checked_s));
  EXPECT_FALSE(by.verify(ec.token(R"({"alg":"ES256","kid":"other"})", payload), checked_s));
  auto signature_cut = ec.token(R"({"alg":"ES256"})", payload);
  signature_cut.resize(signature_cut.size() - 2);
  EXPECT_FALSE(by.verify(signature_cut, checked_s));
}

TEST(TokenVerifier, LeavesForeignKeysOutAndRefusesSetsThatAreNotSafe) {
  const auto ec = Signer::p256("e1"), twin = Signer::p256("e1");
  const json::object okp{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "AAAA"}, {"kid", "o"}};
  json::object encrypting = Signer::p256("enc").jwk, no_ops = encrypting, as_ps = encrypting;
  encrypting["use"] = "enc";
  no_ops["key_ops"] = json::array{"sign"};
  as_ps["alg"] = "PS256";
  EXPECT_TRUE(TokenVerifier::jwks(set_of({okp, encrypting, no_ops, as_ps, ec.jwk}), {}));
  auto secret = ec.jwk, cut = ec.jwk, long_y = ec.jwk;
  secret["d"] = "AAAA";
  cut["x"] = "AAAA";
  long_y["y"] = std::string(44, 'A');
  const json::object symmetric{{"kty", "oct"}, {"k", std::string(43, 'A')}};
  auto repeating = set_of({ec.jwk});
  repeating.insert(repeating.find("[{") + 2, R"("kid":"other",)");
  for (const auto& bad :
       {std::string(), std::string("{}"), std::string("[]"), std::string(R"({"keys":{}})"),
        std::string(R"({"keys":[]})"), std::string(R"({"keys":[1]})"), set_of({okp}),
        set_of({ec.jwk, twin.jwk}), set_of({secret}), set_of({cut}), set_of({long_y}),
        set_of({symmetric}), set_of({ec.jwk, symmetric}), set_of({ec.jwk}) + "x", repeating,
        std::string(300'000, ' ')})
    EXPECT_EQ(TokenVerifier::jwks(bad, {}).error().code, Errc::key_invalid) << bad.substr(0, 200);
}

}  // namespace
}  // namespace memseal::crypto
