// Deletions among the events that they delete: Kafka's order decides.
#include "busy_rig.hpp"

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

struct DeletionTest : BusyRig {
  ports::Record put(const std::string& id, const std::string& text = "hello",
                    std::optional<std::int64_t> revision = std::nullopt) {
    return record("alice", upload_of("doc", "alice", id, text, revision));
  }
  ports::Record remove(const std::string& id) {
    return record("alice", wire::make_delete_event({head("alice", id),
                                                    DocId::parse("doc").value()}));
  }
  ports::Record say(const std::string& id, const std::string& conversation = "talk") {
    return record("alice", chat("alice", id, conversation), "memory.chat.v1");
  }
  ports::Record forget(const std::string& id, std::optional<std::int64_t> before_ms = {}) {
    return record("alice",
                  wire::make_delete_event({head("alice", id), DocId::parse("talk").value(), true,
                                           before_ms, Origin::chat}),
                  "memory.chat.v1");
  }
  std::vector<std::string> left() {
    std::vector<std::string> texts;
    for (const auto& write : store.writes_of[tenant("alice")])
      for (const auto& chunk : write.chunks) {
        const auto row = opened("alice", chunk);
        texts.push_back(row.substr(0, row.find('|')));
      }
    return texts;
  }
  double events(const std::string& origin, const std::string& outcome) {
    return metric("memseal_ingest_events_total{origin=\"" + origin + "\",outcome=\"" + outcome +
                  "\"}");
  }
};

TEST_F(DeletionTest, TakesWhatCameBeforeItAndLeavesWhatComesAfterIt) {
  push({put("1"), remove("2"), put("3", "world")});
  run();
  EXPECT_EQ(left(), std::vector<std::string>{"world"});
}

TEST_F(DeletionTest, OfADocumentThatIsWrittenInTheSameBatchNeedsNoEmbedding) {
  push({put("1"), remove("2")});
  run();
  EXPECT_TRUE(left().empty());
  EXPECT_TRUE(embedder.texts().empty());
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "2")});
}

TEST_F(DeletionTest, WaitsForAnEarlierRevisionOfItsDocument) {
  push({put("1", "hello", 5), remove("2")});
  run();
  EXPECT_TRUE(left().empty());
  EXPECT_EQ(stored("alice"), (std::vector<Uuid>{id_of("alice", "1"), id_of("alice", "2")}));
}

TEST_F(DeletionTest, IsAppliedOnce) {
  push({put("1"), remove("2")});
  push({remove("2"), put("1"), put("3", "world")});
  run();
  EXPECT_EQ(left(), std::vector<std::string>{"world"});
}

TEST_F(DeletionTest, LeavesANewerRevisionWhereAnEvenLaterUploadIsRefused) {
  store.poison = [&](const ports::EventWrite& write) {
    return write.event_id == id_of("alice", "4");
  };
  push({put("1"), remove("2"), put("3", "world", 4), put("4", "poison")});
  run();
  EXPECT_EQ(left(), std::vector<std::string>{"world"});
}

TEST_F(DeletionTest, IsNotUndoneWhereALaterRevisionIsRefused) {
  store.poison = [&](const ports::EventWrite& write) {
    return write.event_id == id_of("alice", "3");
  };
  push({put("1", "hello", 1), remove("2"), put("3", "poison", 2)});
  run();
  EXPECT_TRUE(left().empty());
}

TEST_F(DeletionTest, OfAConversationLeavesTheTurnsThatFollowAndNothingOfTheOthersInThem) {
  push({say("1"), forget("2"), say("3")});
  run();
  EXPECT_EQ(left(), (std::vector<std::string>{"hello", "world"}));
  const auto& last = store.writes_of.at(tenant("alice")).back();
  const auto row = opened("alice", last.chunks.at(0));
  EXPECT_EQ(row.find("window"), std::string::npos) << row;
}

TEST_F(DeletionTest, OfAConversationLeavesADocumentOfTheSameName) {
  push({record("alice", upload_of("talk", "alice", "1", "note")), say("2"), forget("3")});
  run();
  EXPECT_EQ(left(), std::vector<std::string>{"note"});
}

TEST_F(DeletionTest, UntilATimeReachesTheStoreWithIt) {
  push({say("1"), forget("2", 1'600'000'000'000)});
  run();
  EXPECT_EQ(left().size(), 2u);
  const auto& deletion = store.writes_of.at(tenant("alice")).back().deletion;
  ASSERT_TRUE(deletion);
  EXPECT_EQ(deletion->before_ms, 1'600'000'000'000);
}

TEST_F(DeletionTest, ThatIsPublishedAgainLeavesWhatWasSaidSince) {
  auto again = forget("1");
  again.headers = {{"memseal-original-topic", "memory.chat.v1"},
                   {"memseal-original-partition", "0"},
                   {"memseal-original-offset", "3"},
                   {"memseal-original-timestamp", "1600000000000"}};
  push({again});
  run();
  EXPECT_EQ(store.writes_of.at(tenant("alice")).back().deletion->before_ms, 1'700'000'000'000)
      << "the time of the event";
}

TEST_F(DeletionTest, TurnsThatWaitForTheBrakeDoNotComeBack) {
  options.brake = {.refused_max = 1, .share_percent = 100, .share_refused_min = 100,
                   .window = 60s, .hold_first = 1s, .hold_max = 1s};
  bool broken = true;
  store.poison = [&](const ports::EventWrite& write) {
    return write.event_id == id_of("bob", "0") || (broken && write.event_id == id_of("alice", "1"));
  };
  push({good("bob", "0")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return sink.records.size() == 1; });
    push({say("1")});
    co_await wait_until([&] { return metric("memseal_ingest_brake") == 1; });
    push({forget("2"), say("3")});
    broken = false;
    co_await wait_until([&] { return is_stored("alice", "3"); });
    source.stop();
  });
  EXPECT_EQ(left(), (std::vector<std::string>{"hello", "world"}));
  ASSERT_FALSE(stored("alice").empty());
  EXPECT_EQ(stored("alice").back(), id_of("alice", "3"));
}

TEST_F(DeletionTest, SaysSoInItsStatusEvent) {
  options.status_events = true;
  push({remove("1")});
  run();
  ASSERT_EQ(sink.records.size(), 1u);
  EXPECT_NE(sink.records[0].value.find(R"("deletes":true)"), std::string::npos);
}

}  // namespace
}  // namespace memseal::ingest
