// Ingest where producers sign: what it believes, what it refuses, and what a refusal leaves behind.
#include "rig.hpp"

namespace memseal::ingest {
namespace {

using producers::Purpose;

constexpr std::int64_t published_ms = 1'700'000'000'000;

struct ProducersTest : Rig {
  ProducersTest() {
    auto registry = std::make_shared<producers::Registry>();
    producers::Producer test{.name = "test",
                             .tenants = {"alice", "acme:*"},
                             .sources = {"test"},
                             .topics = {"memory.*"},
                             .keys = {}};
    test.keys.push_back({key_id, key.verifying_key()});
    EXPECT_TRUE(registry->add(test));
    judge.replace(registry);
    gate = &judge;
  }

  ports::Record signed_by(const producers::Signer& signer, ports::Record event,
                          const std::string& id, const std::string& source = "test",
                          std::int64_t at_ms = published_ms) {
    event.has_broker_time = true;
    signer.add_signature(event.topic, event.key, id, source, event.value, event.headers,
                         Purpose::event, at_ms);
    return event;
  }
  ports::Record signed_good(const std::string& user, const std::string& id) {
    return signed_by(producer, good(user, id), id);
  }
  std::vector<ports::OutRecord> letters() const { return sink.letters_of("memory.upload.v1"); }
  double judged(const std::string& verdict) const {
    return metric("memseal_ingest_signatures_total{verdict=\"" + verdict + "\"}");
  }
  /// Runs one event that is refused, and looks that nothing of its user changes.
  void expect_refused(ports::Record event, const std::string& code, const std::string& verdict) {
    const auto before = letters().size();
    const auto counted = judged(verdict), events = static_cast<double>(store.events());
    push({std::move(event)});
    run();
    ASSERT_EQ(letters().size(), before + 1) << verdict;
    const auto letter = letters().back();
    EXPECT_EQ(header(letter, "memseal-error-code"), code) << verdict;
    EXPECT_EQ(header(letter, "memseal-error-stage"), "read");
    EXPECT_EQ(header(letter, "memseal-sealed-for"), "nobody");
    EXPECT_EQ(letter.key, header(letter, "memseal-event-id")) << "the user's hash is not told";
    EXPECT_EQ(letter.value.find("hello"), std::string::npos);
    EXPECT_EQ(judged(verdict), counted + 1) << verdict;
    EXPECT_EQ(static_cast<double>(store.events()), events);
    EXPECT_TRUE(store.failures.empty());
    EXPECT_TRUE(stored("alice").empty());
  }

  static crypto::SigningKey key_of(std::uint8_t seed) {
    return crypto::SigningKey::from_bytes(crypto::SignatureAlgorithm::ed25519,
                                          test::test_key(seed).view())
        .value();
  }

  crypto::SigningKey key = key_of(11);
  std::string key_id = producers::key_id_of(key.verifying_key());
  producers::Signer producer{key_id, key}, own{"memseal", key_of(12)};
  producers::Gate judge{key_of(12).verifying_key(), {}};
};

TEST_F(ProducersTest, StoresWhatItsProducerSigned) {
  push({signed_good("alice", "1"), signed_good("acme:ann", "2"),
        signed_by(own, record("bob", upload("bob", "3")), "3")});
  run();
  EXPECT_EQ(stored("alice").size(), 1u);
  EXPECT_EQ(stored("acme:ann").size(), 1u);
  EXPECT_EQ(stored("bob").size(), 1u) << "the service itself writes for everybody";
  EXPECT_EQ(judged("accepted"), 3);
  EXPECT_TRUE(letters().empty());
}

TEST_F(ProducersTest, RefusesEachKindOfForgeryAndGoesOn) {
  const std::string invalid = "signature_invalid", denied = "producer_denied";
  expect_refused(good("alice", "1"), invalid, "absent");
  auto event = good("alice", "1");
  event.headers.emplace_back("memseal-signature", "v1.x");
  expect_refused(event, invalid, "malformed");
  expect_refused(signed_by({"unknown", key_of(1)}, good("alice", "1"), "1"), invalid,
                 "unknown_key");
  event = signed_good("alice", "1");
  event.value = upload("alice", "1", "hello and world");
  expect_refused(event, invalid, "not_genuine");
  event = signed_good("acme:ann", "1");
  event.key = "alice";
  event.value = upload("alice", "1");
  expect_refused(event, invalid, "not_genuine");
  event = signed_good("alice", "1");
  event.topic = "memory.upload.v1";
  event.headers.emplace_back("memseal-original-timestamp", "1");
  expect_refused(event, invalid, "replay");
  constexpr std::int64_t hour_ms = 3'600'000;
  expect_refused(signed_by(producer, good("alice", "1"), "1", "test", published_ms - hour_ms),
                 invalid, "old");
  expect_refused(signed_by(producer, good("alice", "1"), "1", "test", published_ms + hour_ms),
                 invalid, "ahead");
  expect_refused(signed_good("mallory", "1"), denied, "tenant");
  auto foreign = head("alice", "1");
  foreign.source = "/memseal/http";
  auto made = wire::make_upload_event({.head = foreign,
                                       .doc_id = DocId::parse("d").value(),
                                       .name = {},
                                       .mime_type = "text/plain",
                                       .text = "hello",
                                       .tags = {},
                                       .attributes_json = {}});
  expect_refused(signed_by(producer, record("alice", made), "1", "/memseal/http"), denied,
                 "source");
  push({signed_good("alice", "1")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "1")})
      << "no forgery took the name of the event";
}

TEST_F(ProducersTest, ACopyOfASignedEventChangesNothing) {
  const auto event = signed_good("alice", "1");
  push({event});
  run();
  auto copy = event;
  copy.partition = 2;
  copy.offset = next_offset++;
  push({copy});
  run();
  EXPECT_EQ(stored("alice").size(), 1u);
  EXPECT_TRUE(letters().empty());
}

TEST_F(ProducersTest, BelievesTheUserOfAMalformedEventThatIsSigned) {
  const std::string no_type = R"({"specversion":"1.0","id":"1","source":"test"})";
  push({signed_by(producer, record("alice", no_type), "1"), record("alice", no_type)});
  run();
  ASSERT_EQ(letters().size(), 2u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "bad_event");
  EXPECT_EQ(letters()[0].key, tenant("alice").hash().to_hex());
  EXPECT_EQ(header(letters()[1], "memseal-error-code"), "signature_invalid");
  EXPECT_EQ(letters()[1].key, header(letters()[1], "memseal-event-id"));
}

TEST_F(ProducersTest, AReplayKeepsTheProducersSignatureAndIsJudgedByIt) {
  auto old = signed_by(producer, good("alice", "1"), "1", "test", published_ms - 3'600'000);
  push({old});
  run();
  ASSERT_EQ(letters().size(), 1u);
  old.headers.emplace_back("memseal-original-topic", old.topic);
  old.headers.emplace_back("memseal-original-refused-at", std::to_string(published_ms));
  own.add_signature(old.topic, old.key, "1", "test", old.value, old.headers, Purpose::replay,
                    published_ms);
  old.offset = next_offset++;
  push({old});
  run();
  EXPECT_EQ(stored("alice").size(), 1u) << "it was old by minutes, not by a week";
}

TEST_F(ProducersTest, LooksAtNoSignatureWhereTheBrokerDecides) {
  gate = nullptr;
  push({good("alice", "1")});
  run();
  EXPECT_EQ(stored("alice").size(), 1u);
  EXPECT_EQ(judged("accepted"), 0);
}

}  // namespace
}  // namespace memseal::ingest
