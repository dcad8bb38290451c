// Signatures of events: those that another implementation made pass, and no other.
#include "support.hpp"

#include <regex>

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

std::vector<std::string> bad_headers() {
  return {"",
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
          "v1.\xc3\xa9.1.AAAA",
          "v1." + std::string(65, 'k') + ".1.AAAA",
          "v1.k.1." + std::string(252, 'A')};
}

TEST(SignatureHeader, HasOneSpelling) {
  ASSERT_TRUE(parse_signature("v1.k-1_A.1764326400123.AAAA"));
  for (const auto& bad : bad_headers()) EXPECT_FALSE(parse_signature(bad)) << bad;
}

// The schema that producers check against, and the parser that ingest reads with.
TEST(SignatureHeader, IsWhatItsSchemaSays) {
  const auto schema = read_json(MEMSEAL_SOURCE_DIR "/config/schemas/event-headers.json");
  const auto& properties = schema.at("properties").as_object();
  const auto& signature = properties.at(wire::signature_header);
  EXPECT_EQ(properties.size(), 2u) << "ingest reads content-type and the signature";
  EXPECT_TRUE(properties.contains("content-type"));
  const std::regex pattern(text(signature, "pattern"));
  const auto size_max = static_cast<std::size_t>(signature.at("maxLength").as_int64());
  auto headers = bad_headers();
  for (const std::size_t bytes : {1u, 2u, 3u, 4u, 32u, 64u})
    headers.push_back(format_signature({"k-1_A", 1, Bytes(bytes, 0xFF)}));
  headers.push_back(format_signature({std::string(64, 'k'), 999'999'999'999'999, Bytes(64, 7)}));
  // Each character after two and three others: some leave bits that no byte has.
  for (const char* begin : {"v1.k.1.A", "v1.k.1.AA", "v1.k.1.AAA"})
    for (char c = ' '; c < 0x7f; ++c) headers.push_back(begin + std::string(1, c));
  std::size_t good = 0;
  for (const auto& header : headers) {
    const bool parsed = parse_signature(header).has_value();
    good += parsed;
    EXPECT_EQ(header.size() <= size_max && std::regex_match(header, pattern), parsed) << header;
  }
  EXPECT_EQ(good, 7u + 4 + 16 + 64);
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
