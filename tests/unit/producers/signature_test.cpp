// Signatures of events: those that another implementation made pass, and no other.
#include "support.hpp"

namespace memseal::producers {
namespace {

using namespace testing;

crypto::SignatureAlgorithm algorithm_of(const json::value& vector) {
  return crypto::parse_signature_algorithm(text(vector, "algorithm")).value();
}

crypto::VerifyingKey key_of(const json::value& all, const json::value& vector) {
  const auto algorithm = algorithm_of(vector);
  const bool is_public = algorithm == crypto::SignatureAlgorithm::ed25519;
  const auto bytes = from_hex(text(all, is_public ? "public" : "secret"));
  return crypto::VerifyingKey::from_bytes(algorithm, bytes).value();
}

Purpose purpose_of(const json::value& vector) {
  return text(vector, "purpose") == "event" ? Purpose::event : Purpose::replay;
}

struct Event {
  explicit Event(const json::value& vector)
      : topic(text(vector, "topic")),
        key(text(vector, "key")),
        id(text(vector, "id")),
        source(text(vector, "source")),
        value(text(vector, "value")) {
    for (const auto& header : vector.at("headers").as_array())
      headers.emplace_back(header.at(0).as_string(), header.at(1).as_string());
  }
  SignedEvent view() const { return {topic, key, id, source, value, headers}; }

  std::string topic, key, id, source, value;
  Headers headers;
};

bool passes(const json::value& all, const json::value& vector) {
  const Event event(vector);
  const auto signature = parse_signature(text(vector, "header"));
  if (!signature) return false;
  const auto message =
      signed_message(event.view(), purpose_of(vector), signature->key_id, signature->time_ms);
  return key_of(all, vector).verify(message, signature->bytes);
}

TEST(SignatureVectors, ValidOnesPassAndAreMadeAgain) {
  const auto all = vectors();
  ASSERT_EQ(all.at("valid").as_array().size(), 8u);
  for (const auto& vector : all.at("valid").as_array()) {
    SCOPED_TRACE(text(vector, "name"));
    EXPECT_TRUE(passes(all, vector));
    const Event event(vector);
    const auto algorithm = algorithm_of(vector);
    const bool is_public = algorithm == crypto::SignatureAlgorithm::ed25519;
    const auto secret = from_hex(text(all, is_public ? "seed" : "secret"));
    const auto signer = signer_of(crypto::SigningKey::from_bytes(algorithm, secret).value());
    EXPECT_EQ(signer.key_id(), text(all, "key_id " + text(vector, "algorithm")));
    const auto header = text(vector, "header");
    const auto time_ms = parse_signature(header)->time_ms;
    const auto message = signed_message(event.view(), purpose_of(vector), signer.key_id(), time_ms);
    EXPECT_EQ(to_hex(message.data(), message.size()), text(vector, "message"));
    EXPECT_EQ(signer.sign(event.view(), purpose_of(vector), time_ms), header);
    EXPECT_EQ(format_signature(*parse_signature(header)), header);
  }
}

TEST(SignatureVectors, InvalidOnesDoNot) {
  const auto all = vectors();
  ASSERT_EQ(all.at("invalid").as_array().size(), 30u);
  for (const auto& vector : all.at("invalid").as_array())
    EXPECT_FALSE(passes(all, vector)) << text(vector, "name");
}

TEST(SignatureHeader, HasOneSpelling) {
  ASSERT_TRUE(parse_signature("v1.k-1_A.1764326400123.AAAA"));
  const std::string long_id(65, 'k');
  for (const std::string bad : {"",
                                "v1",
                                "v1.",
                                "v1...",
                                "v1.k",
                                "v1.k.1",
                                "v1.k.1.",
                                "v2.k.1.AAAA",
                                "V1.k.1.AAAA",
                                " v1.k.1.AAAA",
                                "v1.k.1.AAAA ",
                                "v1.k.1.AAAA=",
                                "v1.k.1.AAA=",
                                "v1.k.1.AA+A",
                                "v1.k.1.AA/A",
                                "v1.k.1.AB",
                                "v1.k.1.A",
                                "v1.k.1.AAAA.",
                                "v1.k.1.AAAA.AAAA",
                                "v1..1.AAAA",
                                "v1.k..AAAA",
                                "v1.k.0.AAAA",
                                "v1.k.01.AAAA",
                                "v1.k.-1.AAAA",
                                "v1.k.+1.AAAA",
                                "v1.k.1 .AAAA",
                                "v1.k.1e3.AAAA",
                                "v1.k.1234567890123456.AAAA",
                                "v1.k!.1.AAAA",
                                "v1.k\n.1.AAAA",
                                "v1.\xc3\xa9.1.AAAA"})
    EXPECT_FALSE(parse_signature(bad)) << bad;
  EXPECT_FALSE(parse_signature("v1." + long_id + ".1.AAAA"));
  EXPECT_FALSE(parse_signature("v1.k.1." + std::string(252, 'A')));
}

TEST(Signer, ReplacesASignatureThatIsThere) {
  const auto signer = signer_of(signing_key(1));
  Headers headers;
  headers.emplace_back("memseal-signature", "v1.k.1.AAAA");
  signer.add_signature("t", "k", "i", "s", "v", headers, Purpose::event, 5);
  ASSERT_EQ(headers.size(), 1u);
  EXPECT_TRUE(headers[0].second.starts_with("v1." + signer.key_id() + ".5."));
}

}  // namespace
}  // namespace memseal::producers
