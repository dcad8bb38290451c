// A text for which the embedder fails or hangs makes only its own tenant wait.
#include "busy_rig.hpp"

#include <algorithm>

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

struct SuspectsOfTheEmbedder : BusyRig {
  SuspectsOfTheEmbedder() {
    options.embed_patience = 10ms;
    options.embed_timeout = 200ms;
  }
  static bool has_poison(const std::vector<ports::EmbedInput>& inputs) {
    return std::any_of(inputs.begin(), inputs.end(), [](const ports::EmbedInput& input) {
      return input.text.find("note") != std::string::npos;
    });
  }
  static void refuse_poison(const std::vector<ports::EmbedInput>& inputs) {
    if (has_poison(inputs)) throw_failure({Errc::unavailable, "answered 500"});
  }
  /// A document of eight chunks, one of which has the poison.
  ports::Record poison(const std::string& user, const std::string& id) {
    return record(user, upload(user, id, long_text(4) + "note\n\n" + long_text(3)));
  }
};

TEST_F(SuspectsOfTheEmbedder, LetOthersBeStoredWhileATextFailsAgainAndAgain) {
  options.backoff_first = options.backoff_max = 200ms;
  embedder.check = refuse_poison;
  push({poison("alice", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.checks > 0; });
    for (int i = 0; i < 5; ++i) {
      const auto id = std::to_string(i);
      push({line("bob", id)});
      co_await wait_until([&] { return is_stored("bob", id); });
    }
    EXPECT_TRUE(sink.records.empty()) << "the poison is still being tried";
    co_await wait_until([&] { return sink.letters_of("memory.upload.v1").size() == 1; });
    source.stop();
  });
  EXPECT_TRUE(stored("alice").empty());
  EXPECT_EQ(source.offsets_done.size(), 6u);
}

TEST_F(SuspectsOfTheEmbedder, LetOthersBeStoredWhileTheCallForATextHangs) {
  embedder.hangs = has_poison;
  push({poison("alice", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.calls > 0; });
    push({line("bob", "1"), good("carol", "1")});
    co_await wait_until([&] { return is_stored("bob", "1") && is_stored("carol", "1"); });
    EXPECT_TRUE(sink.records.empty()) << "the poison is still being tried";
    co_await wait_until([&] { return sink.letters_of("memory.upload.v1").size() == 1; });
    source.stop();
  });
  EXPECT_GE(embedder.timeouts, limits::event_attempts_max);
  EXPECT_TRUE(stored("alice").empty());
}

TEST_F(SuspectsOfTheEmbedder, KeepNobodyWaitingWhoSharesACallWithThePoison) {
  options.backoff_first = options.backoff_max = 100ms;
  embedder.check = refuse_poison;
  options.embed_chunks_max = 16;
  options.pace = {.first = 1'024, .least = 1'024, .most = 1'024};
  push({poison("alice", "1"), good("bob", "1"), good("carol", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("bob", "1") && is_stored("carol", "1"); });
    EXPECT_TRUE(sink.records.empty()) << "the poison is still being tried";
    co_await wait_until([&] { return sink.letters_of("memory.upload.v1").size() == 1; });
    source.stop();
  });
  EXPECT_TRUE(stored("alice").empty());
}

// Records of so many users that each isolation is in use and others wait for one. Their calls hang
// for two seconds each.
TEST_F(SuspectsOfTheEmbedder, KeepNobodyWaitingWhateverNumberOfCallsHangs) {
  options.embed_timeout = 2s;
  embedder.hangs = has_poison;
  for (int i = 0; i < 6; ++i) push({poison("hostile-" + std::to_string(i), "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.calls >= 6; });
    for (int i = 0; i < 10; ++i) {
      const auto id = std::to_string(i);
      const auto start = std::chrono::steady_clock::now();
      push({line("bob", id)});
      co_await wait_until([&] { return is_stored("bob", id); });
      EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
    }
    embedder.hangs = {};
    source.stop();
  });
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(is_stored("hostile-" + std::to_string(i), "1"));
}

TEST_F(SuspectsOfTheEmbedder, LetTheOthersOfACallThatHangsBeStored) {
  options.embed_timeout = 2s;
  embedder.hangs = has_poison;
  options.embed_chunks_max = 16;
  options.pace = {.first = 1'024, .least = 1'024, .most = 1'024};
  push({poison("alice", "1"), good("bob", "1"), good("alice", "2"), good("carol", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("bob", "1") && is_stored("carol", "1"); });
    push({good("bob", "2")});
    co_await wait_until([&] { return is_stored("bob", "2"); });
    EXPECT_LE(embedder.timeouts, 1) << "at most the short try of alice's chunks has ended";
    EXPECT_FALSE(is_stored("alice", "1"));
    embedder.hangs = {};
    source.stop();
  });
  EXPECT_TRUE(is_stored("alice", "1") && is_stored("alice", "2"));
}

TEST_F(SuspectsOfTheEmbedder, OfOneTenantAreTriedOneAfterTheOther) {
  options.brake = {.refused_max = 100, .share_percent = 100, .share_refused_min = 100};
  options.backoff_first = options.backoff_max = 60ms;
  embedder.check = refuse_poison;
  for (int i = 0; i < 6; ++i) push({poison("alice", std::to_string(i))});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.checks >= 12; });
    push({poison("bob", "1")});
    const auto letters_of = [&](const std::string& user) {
      std::size_t count = 0;
      for (const auto& letter : sink.letters_of("memory.upload.v1"))
        count += letter.key == tenant(user).hash().to_hex();
      return count;
    };
    co_await wait_until([&] { return letters_of("bob") == 1; });
    // One on an idle machine; the tries of a loaded one take turns less evenly.
    EXPECT_LE(letters_of("alice"), 4u) << "bob's turn came before most of alice's";
    co_await wait_until([&] { return letters_of("alice") == 6; });
    source.stop();
  });
}

TEST_F(SuspectsOfTheEmbedder, AreDroppedWhileTheyWaitWhenTheirPartitionLeaves) {
  options.embed_timeout = 2s;
  embedder.hangs = has_poison;
  for (int i = 0; i < 7; ++i) push({poison("hostile-" + std::to_string(i), "1")});
  push({good("hostile-0", "2")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.calls >= 10; });
    source.take_away("memory.upload.v1", 0);
    EXPECT_GE(source.offsets_dropped.size(), 3u) << "of 8: four are being tried, one is on its way";
    push({line("bob", "1")});
    co_await wait_until([&] { return is_stored("bob", "1"); });
    co_await wait_until([&] { return source.offsets_dropped.size() == 8; });
    source.stop();
  });
  EXPECT_TRUE(source.offsets_done.size() == 1);
}

TEST_F(SuspectsOfTheEmbedder, DoNotLetAllGoAheadWhileTheEmbedderIsUnavailable) {
  options.backoff_first = options.backoff_max = 20ms;
  embedder.faults.error = Error{Errc::unavailable, "down"};
  push_large_of_alice(2);
  push({line("bob", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return metric("memseal_ingest_stalled") == 1; });
    co_await runtime::pause_for(200ms);
    EXPECT_EQ(metric(R"(memseal_ingest_stalled_steps{cause="unavailable",stage="embed"})"), 1)
        << "one call at a time asks whether it is back";
    embedder.faults.error.reset();
    co_await wait_until([&] { return is_stored("bob", "1") && stored("alice").size() == 2; });
    source.stop();
  });
  EXPECT_TRUE(sink.records.empty());
}

TEST_F(SuspectsOfTheEmbedder, BecomeOneDeadLetterAlsoWhileOtherCallsHaveChunksOfTheirEvent) {
  options.embed_patience = 1ms;
  embedder.check = refuse_poison;
  embedder.faults.delay = 5ms;
  push({record("alice", upload("alice", "1", long_text(20) + "note\n\n" + long_text(20))),
        good("alice", "2")});
  run();
  EXPECT_EQ(sink.letters_of("memory.upload.v1").size(), 1u);
  EXPECT_TRUE(is_stored("alice", "2"));
  EXPECT_FALSE(is_stored("alice", "1"));
  EXPECT_EQ(source.offsets_done.size(), 2u);
}

}  // namespace
}  // namespace memseal::ingest
