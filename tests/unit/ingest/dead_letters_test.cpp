#include "pure/crypto/hash.hpp"
#include "rig.hpp"

#include <atomic>

namespace memseal::ingest {
namespace {

struct RefuseTest : Rig {
  std::vector<ports::OutRecord> letters() const { return sink.letters_of("memory.upload.v1"); }
  Uuid event_of(const ports::OutRecord& letter) const {
    return Uuid::parse(header(letter, "memseal-event-id")).value();
  }
  Result<ports::Record> open_for(const std::string& user, const ports::OutRecord& letter) const {
    const auto owner = tenant(user);
    const auto key = fakes::TenantKeys::key_of(owner);
    return open_dead_letter(owner, *key, event_of(letter), letter.value);
  }
  Result<ports::Record> open_for_nobody(const ports::OutRecord& letter) const {
    return open_dead_letter(nobody(keyer), dead_letter_key, event_of(letter), letter.value);
  }
};

TEST_F(RefuseTest, DeadLettersWhatCannotBeReadSealedForItsUser) {
  auto broken = record("alice", R"({"specversion":"1.0","id":)");
  broken.headers.emplace_back("content-type", "application/cloudevents+json");
  broken.partition = 3;
  push({broken, good("bob", "2")});
  run();
  ASSERT_EQ(letters().size(), 1u);
  const auto letter = letters()[0];
  EXPECT_EQ(header(letter, "memseal-error-code"), "bad_event");
  EXPECT_EQ(header(letter, "memseal-error-stage"), "read");
  EXPECT_EQ(header(letter, "memseal-error-attempts"), "1");
  EXPECT_EQ(header(letter, "memseal-original-topic"), "memory.upload.v1");
  EXPECT_EQ(header(letter, "memseal-original-partition"), "3");
  EXPECT_EQ(header(letter, "memseal-original-offset"), std::to_string(broken.offset));
  EXPECT_EQ(header(letter, "memseal-original-timestamp"), "1700000000000");
  EXPECT_EQ(letter.key, tenant("alice").hash().to_hex());
  EXPECT_EQ(letter.value.find("specversion"), std::string::npos) << "the original is sealed";
  const auto original = open_for("alice", letter);
  ASSERT_TRUE(original);
  EXPECT_EQ(original->value, broken.value);
  EXPECT_EQ(original->key, broken.key);
  EXPECT_EQ(original->headers, broken.headers);
  EXPECT_FALSE(open_for("bob", letter));
  EXPECT_EQ(store.events(), 1u) << "the neighbour is stored";
  EXPECT_EQ(metric(R"(memseal_dlq_records_total{reason="bad_event"})"), 1);
}

TEST_F(RefuseTest, DeadLettersATimeThatLiesDaysAheadSinceItWouldShutOutEveryLaterRevision) {
  auto ahead = upload("alice", "1");
  const auto at = ahead.find("2023-11-14T");
  ASSERT_NE(at, ahead.npos) << ahead;
  ahead.replace(at, 4, "9999");
  push({record("alice", ahead), good("alice", "2")});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "bad_event");
  EXPECT_EQ(store.events(), 1u) << "the next event of the same user is stored";
}

TEST_F(RefuseTest, SealsWhatNobodyOwnsUnderTheKeyringsOwnKey) {
  push({record("", "garbage")});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(letters()[0].key, header(letters()[0], "memseal-event-id"));
  EXPECT_EQ(header(letters()[0], "memseal-sealed-for"), "nobody");
  const auto original = open_for_nobody(letters()[0]);
  ASSERT_TRUE(original);
  EXPECT_EQ(original->value, "garbage");
}

TEST_F(RefuseTest, ConfirmsTheDeadLetterBeforeTheBatchIsDone) {
  sink.faults.next = {Errc::unavailable, Errc::timeout, Errc::unavailable};
  std::size_t confirmed_at_done = 0;
  source.on_done = [&](const ports::Batch&) { confirmed_at_done = sink.records.size(); };
  push({record("alice", "garbage")});
  run();
  EXPECT_EQ(confirmed_at_done, 1u);
  EXPECT_EQ(sink.faults.calls, 4);
}

TEST_F(RefuseTest, IsolatesAPoisonEventAndStoresItsNeighbours) {
  const auto poison = id_of("alice", "3");
  store.poison = [&](const ports::EventWrite& write) { return write.event_id == poison; };
  std::vector<ports::Record> records;
  for (int i = 0; i < 6; ++i) records.push_back(good("alice", std::to_string(i)));
  records.push_back(good("bob", "7"));
  push(std::move(records));
  run();
  std::vector<Uuid> expected;
  for (const char* id : {"0", "1", "2", "4", "5"}) expected.push_back(id_of("alice", id));
  EXPECT_EQ(stored("alice"), expected) << "in their order";
  EXPECT_EQ(stored("bob").size(), 1u);
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "internal");
  EXPECT_EQ(header(letters()[0], "memseal-error-attempts"), "5");
  EXPECT_EQ(header(letters()[0], "memseal-error-stage"), "process");
  ASSERT_EQ(store.failures.size(), 1u);
  EXPECT_EQ(store.failures[0].event_id, poison);
  EXPECT_EQ(store.failures[0].origin, Origin::upload);
  EXPECT_EQ(store.failures[0].doc_id.value().value(), "doc-3");
  EXPECT_EQ(source.offsets_done.size(), 7u);
  EXPECT_EQ(metric("memseal_ingest_isolations_total"), 1);
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="duplicate",type="upload"})"), 0)
      << "what was stored before the batch was taken apart is not stored again";
}

TEST_F(RefuseTest, DoesNotBlameAnEventForAnOutageMetWhileItStandsAlone) {
  const auto poison = id_of("alice", "1");
  store.poison = [&](const ports::EventWrite& write) { return write.event_id == poison; };
  for (int i = 0; i < 30; ++i) store.faults.next.push_back(Errc::unavailable);
  push({good("alice", "0"), good("alice", "1"), good("alice", "2")});
  run();
  EXPECT_EQ(stored("alice").size(), 2u);
  EXPECT_EQ(letters().size(), 1u);
}

TEST_F(RefuseTest, RefusesAnEventOfTooManyChunks) {
  options.rules.tokens = 8;
  options.chunks_per_event_max = 3;
  std::string text;
  for (int i = 0; i < 60; ++i) text += "hello world. ";
  push({record("alice", upload("alice", "1", text)), good("alice", "2")});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "event_too_large");
  EXPECT_EQ(store.failures.at(0).code, Errc::event_too_large);
  EXPECT_EQ(stored("alice").size(), 1u);
}

TEST_F(RefuseTest, CutsNoTextWhoseMetadataAreTooLarge) {
  std::atomic<int> ways = 0;  // one a record, and more for each 256 KiB that are cut
  make_way = [&] { ++ways; };
  std::string text;
  while (text.size() < 600'000) text += "hello world. ";
  const auto with = [&](const std::string& id, std::size_t bytes) {
    return record("alice", wire::make_upload_event(
        {.head = head("alice", id), .doc_id = DocId::parse("d").value(), .name = {},
         .mime_type = "text/plain", .text = text, .revision = 1, .content_sha256_hex = {},
         .tags = {}, .attributes_json = R"({"a":")" + std::string(bytes, 'x') + R"("})",
         .origin = Origin::upload}));
  };
  push({with("1", 9'000)});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "event_too_large");
  EXPECT_EQ(ways, 1);
  push({with("2", 10)});
  run();
  EXPECT_EQ(letters().size(), 1u);
  EXPECT_GT(ways, 3) << "so the text is one that would have been cut";
}

TEST_F(RefuseTest, RefusesContentThatIsNotWhatItsHashSays) {
  wire::UploadEvent event{.head = head("alice", "1"), .doc_id = DocId::parse("d").value(),
                          .name = {}, .mime_type = "text/plain", .text = "hello",
                          .revision = 1, .content_sha256_hex = std::string(64, 'a'),
                          .tags = {}, .attributes_json = {}, .origin = Origin::upload};
  push({record("alice", wire::make_upload_event(event))});
  const std::string text = "hello";
  const auto digest =
      crypto::sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  event.head.id = "2";
  event.content_sha256_hex = to_hex(digest.data(), digest.size());
  push({record("alice", wire::make_upload_event(event))});
  run();
  EXPECT_EQ(letters().size(), 1u);
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "2")});
}

TEST_F(RefuseTest, SealsALetterLongerThanOneBlob) {
  const std::string big(300'000, 'x');
  push({record("alice", big)});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(open_for("alice", letters()[0])->value, big);
}

TEST_F(RefuseTest, LeavesTheOriginalInItsTopicWhenTheLetterIsTooLarge) {
  sink.check = [](const ports::OutRecord& letter) {
    if (letter.value.size() > 1'000) throw Refused({Errc::payload_too_large, "too large"});
  };
  push({record("alice", std::string(5'000, 'x'))});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(letters()[0].value, "");
  EXPECT_EQ(header(letters()[0], "memseal-value-omitted"), "payload_too_large");
}

TEST_F(RefuseTest, FallsBackToTheKeyringsKeyWhenTheTenantsKeyDoesNotOpen) {
  keys.faults.next = std::deque<Errc>(20, Errc::open_failed);
  push({record("alice", "garbage")});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_TRUE(open_for_nobody(letters()[0]));
}

TEST_F(RefuseTest, TakesAnEventUpToADayAheadOfTheClock) {
  constexpr std::int64_t event_ms = 1'700'000'000'000, day_ms = 86'400'000;
  now_ms = [] { return event_ms - day_ms; };
  push({good("alice", "1")});
  run();
  now_ms = [] { return event_ms - day_ms - 1; };
  push({good("alice", "2")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "1")});
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "bad_event");
}

}  // namespace
}  // namespace memseal::ingest
