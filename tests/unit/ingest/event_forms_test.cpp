// What ingest makes of events that differ from the plain form: tombstones, chats without text,
// texts without a word, revisions, replays.
#include "pure/crypto/hash.hpp"
#include "rig.hpp"

#include <boost/json.hpp>

namespace memseal::ingest {
namespace {

struct EventForms : Rig {
  ports::Record chat_record(const std::string& id, const std::string& messages) {
    return record("alice",
                  R"({"specversion":"1.0","id":")" + id +
                      R"(","source":"test","type":"memory.chat.v1","subject":"alice",)"
                      R"("data":{"conversation_id":"talk","messages":)" +
                      messages + "}}",
                  "memory.chat.v1");
  }
  ports::Record upload_record(const std::string& id, const std::string& more,
                              const std::string& text = "hello world") {
    return record("alice", R"({"specversion":"1.0","id":")" + id +
                               R"(","source":"test","type":"memory.upload.v1","subject":"alice",)"
                               R"("data":{"doc_id":"d","file":{"mime_type":"text/plain"},)"
                               R"("content":{"encoding":"utf8","data":")" +
                               text + "\"}" + more + "}}");
  }
  std::vector<ports::OutRecord> letters() const { return sink.letters_of("memory.upload.v1"); }
  const ports::EventWrite& write(std::size_t i = 0) const {
    return store.writes_of.at(tenant("alice")).at(i);
  }
};

TEST_F(EventForms, IgnoresATombstoneAndCountsIt) {
  options.status_events = true;
  push({record("alice", ""), good("alice", "1")});
  run();
  EXPECT_EQ(stored("alice").size(), 1u);
  EXPECT_TRUE(letters().empty());
  EXPECT_TRUE(store.erased.empty()) << "a tombstone erases nobody";
  EXPECT_EQ(sink.to(ports::Channel::status).size(), 1u);
  EXPECT_EQ(source.offsets_done.size(), 2u);
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="ignored",type="unknown"})"), 1);
}

TEST_F(EventForms, StoresTheTurnsThatHaveTextAndNoOthers) {
  push({chat_record("1", R"([{"role":"user","content":"hello"},)"
                         R"({"role":"assistant","content":null,"tool_calls":[{}]},)"
                         R"({"role":"tool","content":[{"type":"text","text":"world"}]}])")});
  run();
  ASSERT_EQ(write().chunks.size(), 2u);
  EXPECT_TRUE(opened("alice", write().chunks[0]).starts_with("hello|"));
  EXPECT_TRUE(opened("alice", write().chunks[1]).starts_with("world|"));
  EXPECT_EQ(metric(R"(memseal_ingest_adapted_total{what="silent_turn"})"), 1);
}

TEST_F(EventForms, AChatWithoutTextIsNoFailure) {
  push({chat_record("1", R"([{"role":"assistant","content":null,"tool_calls":[{}]}])")});
  run();
  EXPECT_TRUE(write().chunks.empty());
  EXPECT_TRUE(sink.records.empty());
}

TEST_F(EventForms, ADocumentWithoutAWordFailsWithTheReason) {
  push({upload_record("1", "", " \\n\\t "), upload_record("2", "", ""),
        upload_record("3", "", "\\u0000"), upload_record("4", "")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "4")});
  ASSERT_EQ(letters().size(), 3u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "bad_event");
  EXPECT_TRUE(header(letters()[0], "memseal-error-message").starts_with("/data has no text"));
  ASSERT_EQ(store.failures.size(), 3u);
  EXPECT_EQ(store.failures[0].event_id, id_of("alice", "1"));
  EXPECT_EQ(metric(R"(memseal_ingest_adapted_total{what="zero_byte"})"), 1);
}

TEST_F(EventForms, OffsetsCountTheTextAsItIsStored) {
  push({upload_record("1", "", "\\ufeffhe\\u0000llo world")});
  run();
  ASSERT_EQ(write().chunks.size(), 1u);
  EXPECT_TRUE(opened("alice", write().chunks[0]).starts_with("hello world|"));
  EXPECT_EQ(write().chunks[0].header().char_start, 0);
  EXPECT_EQ(write().chunks[0].header().char_end, 11);
}

TEST_F(EventForms, AHashIsOfTheTextAsItWasSent) {
  const std::string sent("hello\0 world", 12);
  const auto digest =
      crypto::sha256({reinterpret_cast<const std::uint8_t*>(sent.data()), sent.size()});
  const auto hex = to_hex(digest.data(), digest.size());
  auto sound = upload_record("1", "", "hello\\u0000 world");
  const auto at = sound.value.find(R"("mime_type")");
  sound.value.insert(at, R"("sha256":")" + hex + "\",");
  push({sound});
  run();
  EXPECT_TRUE(opened("alice", write().chunks.at(0)).starts_with("hello world|"));
}

TEST_F(EventForms, WithoutARevisionTheOrderOfArrivalDecides) {
  push({upload_record("1", ""), upload_record("2", R"(,"revision":7)")});
  run();
  EXPECT_TRUE(write(0).by_arrival);
  EXPECT_FALSE(write(1).by_arrival);
  EXPECT_EQ(write(1).revision, 7);
  EXPECT_NE(write(0).chunks.at(0).header().id, write(1).chunks.at(0).header().id);
}

TEST_F(EventForms, RefusesARevisionFarAheadBecauseItWouldShutOutEveryLaterOne) {
  constexpr std::int64_t clock_ms = 1'800'000'000'000, day_ms = 86'400'000;
  now_ms = [] { return clock_ms; };
  push({upload_record("1", R"(,"revision":)" + std::to_string(clock_ms + day_ms)),
        upload_record("2", R"(,"revision":)" + std::to_string(clock_ms + day_ms + 1)),
        upload_record("3", R"(,"revision":9000000000000000000)")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "1")});
  ASSERT_EQ(letters().size(), 2u);
  EXPECT_EQ(header(letters()[0], "memseal-error-field"), "/data/revision");
}

TEST_F(EventForms, AReplayedEventCarriesTheTimeAtWhichItWasNew) {
  auto plain = upload_record("1", ""), revised = upload_record("2", R"(,"revision":7)"),
       forged = upload_record("3", "");
  for (auto* one : {&plain, &revised})
    one->headers.emplace_back("memseal-original-timestamp", "1699999999999");
  forged.headers.emplace_back("memseal-original-timestamp", "yesterday");
  push({plain, revised, forged});
  run();
  EXPECT_EQ(write(0).by_arrival.value().replayed_from_ms, 1'699'999'999'999);
  EXPECT_FALSE(write(1).by_arrival) << "a revision decides by itself";
  EXPECT_EQ(write(2).by_arrival.value().replayed_from_ms, 0);
}

TEST_F(EventForms, AReplayedEventCarriesThePlaceWhereItWasNew) {
  auto plain = upload_record("1", ""), replayed = upload_record("2", R"(,"revision":7)"),
       forged = upload_record("3", "");
  plain.partition = 4;
  plain.offset = 40;
  for (auto* one : {&replayed, &forged}) {
    one->headers.emplace_back("memseal-original-topic", "memory.upload.v1");
    one->headers.emplace_back("memseal-original-partition", "3");
  }
  replayed.headers.emplace_back("memseal-original-offset", "17");
  forged.headers.emplace_back("memseal-original-offset", "-1");
  push({plain, replayed, forged});
  run();
  EXPECT_EQ(write(0).source, (ports::SourcePlace{"memory.upload.v1", 4, 40}));
  EXPECT_FALSE(write(0).replayed);
  EXPECT_EQ(write(1).source, (ports::SourcePlace{"memory.upload.v1", 3, 17}));
  EXPECT_TRUE(write(1).replayed);
  EXPECT_EQ(write(2).source, std::nullopt);
  EXPECT_TRUE(write(2).replayed) << "so times decide";
}

TEST_F(EventForms, WhatAReplayAddsMakesNoEventTooLarge) {
  auto full = upload_record("1", "", "x");
  const auto empty = full.value.find("\"x\"") + 1;
  full.headers.clear();
  const auto room = (std::size_t{1} << 20) - full.key.size() - full.value.size();
  full.value.insert(empty, std::string(room, ' '));
  auto replayed = full, over = full;
  replayed.offset = next_offset++;
  over.offset = next_offset++;
  for (const auto& [name, value] : {std::pair("topic", "memory.upload.v1"), {"partition", "0"},
                                    {"offset", "123456789"}, {"timestamp", "1700000000000"}})
    replayed.headers.emplace_back(std::string("memseal-original-") + name, value);
  over.headers.emplace_back("memseal-original-topic", std::string(2'000, 'x'));
  push({full, replayed, over});
  run();
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "event_too_large");
  EXPECT_EQ(header(letters()[0], "memseal-original-offset"), std::to_string(over.offset));
}

TEST_F(EventForms, OfManyEditsInABatchOnlyTheLastIsEmbedded) {
  push({upload_record("1", ""), upload_record("2", ""), upload_record("3", ""), good("bob", "4")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "3")});
  EXPECT_EQ(embedder.texts().size(), 2u);
  EXPECT_EQ(store.events(), 4u) << "the ledger knows the others too";
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="superseded",type="upload"})"), 2);
}

TEST_F(EventForms, AnEarlierEditIsStoredAfterAllWhenTheLaterOneIsRefused) {
  const auto poison = id_of("alice", "2");
  store.poison = [&](const ports::EventWrite& one) { return one.event_id == poison; };
  push({upload_record("1", ""), upload_record("2", "")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "1")});
  EXPECT_EQ(letters().size(), 1u);
}

TEST_F(EventForms, AnEditThatWaitedForTheBrakeDoesNotOverwriteALaterOne) {
  options.brake = {.refused_max = 1,
                   .hold_first = std::chrono::milliseconds(300),
                   .hold_max = std::chrono::milliseconds(300)};
  bool is_broken = true;
  store.poison = [&](const ports::EventWrite& one) {
    if (one.event_id == id_of("alice", "2")) is_broken = false;
    return is_broken;
  };
  push({good("alice", "0"), upload_record("1", "")});
  push({upload_record("2", "")});
  run();
  EXPECT_EQ(letters().size(), 1u) << "the first event engages the brake, so the second one waits";
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "2")});
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="superseded",type="upload"})"), 1);
}

TEST_F(EventForms, AnEarlierEditDoesNotOverwriteALaterOneThatIsStoredAlready) {
  push({upload_record("2", "")});
  run();
  push({upload_record("1", ""), upload_record("2", "")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "2")});
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="superseded",type="upload"})"), 1);
}

TEST_F(EventForms, AStatusEventNamesAMalformedEventAndSaysWhatIsWrong) {
  options.status_events = true;
  push({record("alice", R"({"specversion":"1.0","id":"my-id","source":"/my-source",)"
                        R"("type":"memory.upload.v1","subject":"alice","data":{"doc_id":"d"}})")});
  run();
  const auto told = sink.to(ports::Channel::status);
  ASSERT_EQ(told.size(), 1u);
  const auto data = boost::json::parse(told[0].value).at("data");
  EXPECT_EQ(data.at("event_id"), "my-id");
  EXPECT_EQ(data.at("event_source"), "/my-source");
  EXPECT_EQ(data.at("error_message"), "/data/file is missing");
  EXPECT_EQ(data.at("error_field"), "/data/file");
  EXPECT_EQ(data.at("topic"), "memory.upload.v1");
  EXPECT_EQ(data.at("partition"), 0);
  EXPECT_EQ(data.at("offset"), source.offsets_done.at(0));
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-message"), "/data/file is missing");
}

}  // namespace
}  // namespace memseal::ingest
