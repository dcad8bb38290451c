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
