// Keys that sign: RFC 8032's vectors, files of other programs, and what is no key.
#include "pure/crypto/signing_key.hpp"
#include "support.hpp"

namespace memseal::crypto {
namespace {

using namespace testing;

std::string text_of_file(const SigningKey& key) {
  const auto file = key.file();
  return {reinterpret_cast<const char*>(file.view().data()), file.size()};
}

TEST(Ed25519, SignsAsRfc8032Does) {
  struct Case {
    const char *seed, *message, *signature;
  };
  // Section 7.1, tests 1 to 3.
  const Case cases[] = {{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "",
                         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb882159"
                         "0a33bacc61e39701cf9b4"
                         "6bd25bf5f0595bbe24655141438e7a100b"},
                        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72",
                         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43"
                         "e15996e458f3613d0f11d"
                         "8c387b2eaeb4302aeeb00d291612bb0c00"},
                        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82",
                         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538"
                         "d16f290ae67f760984dc6"
                         "594a7c15e9716ed28dc027beceea1ec40a"}};
  for (const auto& [seed, message, signature] : cases) {
    const auto key = SigningKey::from_bytes(SignatureAlgorithm::ed25519, from_hex(seed)).value();
    const auto made = key.sign(from_hex(message));
    EXPECT_EQ(hex(made), signature);
    EXPECT_TRUE(key.verifying_key().verify(from_hex(message), made));
    EXPECT_FALSE(key.verifying_key().verify(bytes("other"), made));
  }
}

TEST(Ed25519, RefusesTheSecondSpellingOfASignature) {
  const auto key = SigningKey::random(SignatureAlgorithm::ed25519);
  auto signature = key.sign(bytes("m"));
  // S + L is the same number modulo L (RFC 8032, section 5.1.7).
  const auto order = from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    carry += signature[32 + i] + order[i];
    signature[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(key.verifying_key().verify(bytes("m"), signature));
}

TEST(SigningKey, ReadsBackItsFile) {
  for (const auto algorithm : {SignatureAlgorithm::ed25519, SignatureAlgorithm::hmac_sha256}) {
    const auto key = SigningKey::random(algorithm);
    const auto text = text_of_file(key);
    const auto again = SigningKey::parse(text).value();
    EXPECT_EQ(again.sign(bytes("m")), key.sign(bytes("m")));
    EXPECT_EQ(hex(VerifyingKey::parse(text)->bytes()), hex(key.verifying_key().bytes()));
    EXPECT_NE(text_of_file(SigningKey::random(algorithm)), text);
  }
}

TEST(SigningKey, ReadsTheFilesOfOtherPrograms) {
  const auto all = read_json(MEMSEAL_SOURCE_DIR "/tests/unit/producers/signature_vectors.json");
  const auto key = SigningKey::parse(text(all, "pem")).value();
  EXPECT_EQ(hex(key.verifying_key().bytes()), text(all, "public"));
  EXPECT_EQ(hex(VerifyingKey::parse(text(all, "public_pem"))->bytes()), text(all, "public"));
  EXPECT_EQ(hex(VerifyingKey::parse(text(all, "pem"))->bytes()), text(all, "public"))
      << "the public half of a private key";
}

TEST(SigningKey, RefusesWhatIsNoKey) {
  const auto all = read_json(MEMSEAL_SOURCE_DIR "/tests/unit/producers/signature_vectors.json");
  const std::string pem(text(all, "pem"));
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcG\n-----END ENCRYPTED PRIVATE KEY-----\n";
  for (const std::string& bad :
       {std::string(), std::string("x"), pem.substr(0, pem.size() / 2),
        std::string(text(all, "public_pem")), encrypted, std::string("hmac-sha256:"),
        std::string("hmac-sha256:AAAA"), "hmac-sha256:" + std::string(64, 'A'),
        "hmac-sha256:" + std::string(43, 'x') + "*", std::string(9'000, 'x') + pem}) {
    const auto key = SigningKey::parse(bad);
    ASSERT_FALSE(key) << bad.substr(0, 40);
    EXPECT_EQ(key.error().code, Errc::key_invalid);
  }
  EXPECT_FALSE(VerifyingKey::parse("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"));
  EXPECT_FALSE(VerifyingKey::from_bytes(SignatureAlgorithm::ed25519, Bytes(31)));
  EXPECT_FALSE(VerifyingKey::from_bytes(SignatureAlgorithm::hmac_sha256, Bytes(32)))
      << "one byte repeated";
}

TEST(SigningKey, OneAlgorithmsSignatureIsNoOther) {
  const Bytes same = from_hex(std::string(30, '0') + "1234567890abcdef1234567890abcdef12");
  const auto ed = SigningKey::from_bytes(SignatureAlgorithm::ed25519, same).value();
  // The classic confusion: the public key taken for the secret of an HMAC.
  const auto mac =
      SigningKey::from_bytes(SignatureAlgorithm::hmac_sha256, ed.verifying_key().bytes()).value();
  EXPECT_FALSE(ed.verifying_key().verify(bytes("m"), mac.sign(bytes("m"))));
  EXPECT_FALSE(mac.verifying_key().verify(bytes("m"), ed.sign(bytes("m"))));
}

}  // namespace
}  // namespace memseal::crypto
