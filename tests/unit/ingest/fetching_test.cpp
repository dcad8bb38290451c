// Uploads whose text lies in a stored file.
#include "busy_rig.hpp"
#include "pure/wire/place.hpp"

#include <utility>

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

class Texts final : public ports::TextSource {
 public:
  asio::awaitable<Result<ports::SourceText>> text_of(runtime::RequestContext, crypto::Tenant owner,
                                                     Uuid file, std::size_t bytes_max,
                                                     bool as_it_is) override {
    ++calls;
    EXPECT_TRUE(as_it_is) << "an event holds text";
    if (on_call) on_call();
    if (on_file) on_file(owner);
    const auto found = files.find({owner, file});
    if (found == files.end()) co_return Error{Errc::not_found, "gone"};
    if (found->second.size() > bytes_max) co_return Error{Errc::payload_too_large, "too large"};
    co_return ports::SourceText{found->second, outline};
  }

  std::map<std::pair<crypto::Tenant, Uuid>, std::string> files;
  Outline outline;  ///< of every file
  std::function<void()> on_call;
  std::function<void(const crypto::Tenant&)> on_file;
  int calls = 0;
};

struct Fetching : BusyRig {
  Fetching() { texts = &source_of_texts; }

  /// An upload of the file `number` of `user`.
  ports::Record refers(const std::string& user, const std::string& id, std::uint8_t number,
                       const std::string& document = "doc", const std::string& sha256 = {}) {
    wire::UploadEvent event{.head = head(user, id),
                            .doc_id = DocId::parse(document).value(),
                            .name = "notes.txt",
                            .mime_type = "text/plain",
                            .text = {},
                            .content_sha256_hex = sha256,
                            .tags = {},
                            .attributes_json = {}};
    event.file = file(number);
    return record(user, wire::make_upload_event(event));
  }
  static Uuid file(std::uint8_t number) {
    Uuid id;
    id.bytes[15] = number;
    return id;
  }
  void keep(const std::string& user, std::uint8_t number, std::string text) {
    source_of_texts.files[{tenant(user), file(number)}] = std::move(text);
  }
  std::vector<std::string> codes() const {
    std::vector<std::string> all;
    for (const auto& letter : sink.letters_of("memory.upload.v1"))
      all.push_back(header(letter, "memseal-error-code"));
    return all;
  }

  Texts source_of_texts;
};

TEST_F(Fetching, StoresTheTextOfAFile) {
  keep("alice", 1, "hello world");
  push({refers("alice", "a", 1)});
  run();
  ASSERT_EQ(stored("alice").size(), 1u);
  const auto& write = store.writes_of.at(tenant("alice")).front();
  ASSERT_EQ(write.chunks.size(), 1u);
  EXPECT_TRUE(opened("alice", write.chunks.front()).starts_with("hello world|"));
  EXPECT_EQ(metric("memseal_ingest_text_bytes"), 0) << "nothing is held any more";
}

TEST_F(Fetching, APassageSaysOnWhichPageItStands) {
  options.rules.tokens = 2;
  keep("alice", 1, "hello world hello world");
  source_of_texts.outline = {.pages = {{0, "i"}, {12, ""}}};
  push({refers("alice", "a", 1)});
  run();
  const auto& write = store.writes_of.at(tenant("alice")).front();
  ASSERT_EQ(write.chunks.size(), 2u);
  const auto place_of = [&](std::size_t chunk) {
    const auto passage = opened("alice", write.chunks[chunk]);
    return wire::place_of_meta(passage.substr(passage.find('|') + 1)).value_or(Place{});
  };
  EXPECT_EQ(place_of(0), (Place{"i", "", ""}));
  EXPECT_EQ(place_of(1), (Place{"2", "", ""}));
}

TEST_F(Fetching, AFileOfAnotherUserIsNone) {
  keep("alice", 1, "hello world");
  push({refers("mallory", "m", 1)});
  run();
  EXPECT_EQ(codes(), std::vector<std::string>{"not_found"});
  EXPECT_TRUE(stored("mallory").empty());
}

TEST_F(Fetching, WhatIsWrongWithAFileIsSaidAtOnce) {
  options.text_bytes_max = 100;
  keep("alice", 1, std::string(101, 'x'));
  keep("alice", 2, " \n ");
  keep("alice", 3, "hello");
  push({refers("alice", "gone", 9, "a"), refers("alice", "large", 1, "b"),
        refers("alice", "blank", 2, "c"), refers("alice", "hash", 3, "d", std::string(64, '0'))});
  run();
  auto seen = codes();
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{"bad_event", "bad_event", "not_found",
                                            "payload_too_large"}));
  EXPECT_EQ(source_of_texts.calls, 4) << "no other try";
  EXPECT_EQ(metric("memseal_ingest_text_bytes"), 0);
}

TEST_F(Fetching, WithoutFilesAReferenceIsRefused) {
  texts = nullptr;
  push({refers("alice", "a", 1), good("bob", "b")});
  run();
  EXPECT_EQ(codes(), std::vector<std::string>{"not_found"});
  EXPECT_TRUE(is_stored("bob", "b"));
}

TEST_F(Fetching, WaitsForTheStoreBesideTheLine) {
  keep("alice", 1, "hello");
  bool away = true;
  source_of_texts.on_call = [&] {
    if (away) throw_failure({Errc::unavailable, "the disk is away"});
  };
  push({refers("alice", "a", 1)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] {
      return metric(R"(memseal_ingest_stalled_steps{cause="unavailable",stage="fetch"})") == 1;
    });
    push({line("bob", "b"), refers("bob", "c", 2)});
    co_await wait_until([&] { return is_stored("bob", "b"); });
    away = false;
    co_await wait_until([&] { return is_stored("alice", "a"); });
    source.stop();
  });
  EXPECT_EQ(codes(), std::vector<std::string>{"not_found"}) << "of bob's second";
}

TEST_F(Fetching, FewTextsAreInMemoryAndEachUserHasAShare) {
  options.text_bytes_max = 1'000;
  options.texts_bytes_max = 4'000;
  double most = 0;
  source_of_texts.on_call = [&] { most = std::max(most, metric("memseal_ingest_text_bytes")); };
  std::vector<ports::Record> records;
  for (std::uint8_t i = 0; i < 12; ++i) {
    keep("alice", i, long_text(20));
    records.push_back(refers("alice", std::to_string(i), i, "doc-" + std::to_string(i)));
  }
  keep("bob", 1, long_text(2));
  records.push_back(refers("bob", "b", 1));
  push(std::move(records));
  run();
  EXPECT_EQ(stored("alice").size(), 12u);
  EXPECT_LE(most, 4'000);
  EXPECT_LT(calls_before("bob", "b"), calls_before("alice", "11")) << "twelve of another user";
}

// Refused files release their room, so only turns keep one user's many from going first.
TEST_F(Fetching, UsersHaveTurnsAtTheReading) {
  std::vector<ports::Record> records;
  for (std::uint8_t i = 0; i < 40; ++i)
    records.push_back(refers("alice", std::to_string(i), i, "doc-" + std::to_string(i)));
  keep("bob", 1, "hello");
  records.push_back(refers("bob", "b", 1));
  int calls_when_bob_was_read = 0;
  source_of_texts.on_file = [&](const crypto::Tenant& owner) {
    if (owner == tenant("bob")) calls_when_bob_was_read = source_of_texts.calls;
  };
  push(std::move(records));
  run();
  EXPECT_TRUE(is_stored("bob", "b"));
  EXPECT_LE(calls_when_bob_was_read, 4) << "of 41";
}

TEST_F(Fetching, WhatIsGivenUpHoldsNoTextAndIsReadAgain) {
  options.brake = {.refused_max = 1, .share_percent = 100, .share_refused_min = 100,
                   .window = 60s, .hold_first = 300ms, .hold_max = 300ms};
  keep("alice", 1, "hello");
  bool broken = true;
  store.poison = [&](const ports::EventWrite& write) {
    return write.event_id == id_of("bob", "0") || (broken && write.event_id == id_of("alice", "a"));
  };
  push({good("bob", "0")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return sink.records.size() == 1; });
    push({refers("alice", "a", 1)});
    co_await wait_until([&] { return metric("memseal_ingest_brake") == 1; });
    co_await wait_until([&] { return metric("memseal_ingest_text_bytes") == 0; });
    broken = false;
    co_await wait_until([&] { return is_stored("alice", "a"); });
    source.stop();
  });
  EXPECT_EQ(source_of_texts.calls, 2);
  EXPECT_EQ(sink.records.size(), 1u);
}

TEST_F(Fetching, ALaterVersionStaysWhateverTheFileTakes) {
  keep("alice", 1, "hello world");
  bool away = true;
  source_of_texts.on_call = [&] {
    if (away) throw_failure({Errc::unavailable, "the disk is away"});
  };
  push({refers("alice", "first", 1)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return source_of_texts.calls > 0; });
    push({record("alice", upload_of("doc", "alice", "second", "note"))});
    co_await wait_until([&] { return is_stored("alice", "second"); });
    away = false;
    co_await wait_until([&] { return source.records_done == 2; });
    source.stop();
  });
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="superseded",type="upload"})"), 1);
  EXPECT_EQ(stored("alice").back(), id_of("alice", "second"));
}

TEST_F(Fetching, AnEventThatWasStoredIsNotReadAgain) {
  keep("alice", 1, "hello");
  push({refers("alice", "a", 1)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("alice", "a"); });
    push({refers("alice", "a", 1)});
    co_await wait_until([&] { return source.records_done == 2; });
    source.stop();
  });
  EXPECT_EQ(source_of_texts.calls, 1);
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="duplicate",type="upload"})"), 1);
}

// The partition was another process's meanwhile, and publish removes the file of a stored text.
TEST_F(Fetching, AFileThatIsGoneBecauseItsEventWasStoredMakesNoLetter) {
  source_of_texts.on_call = [&] { store.ledger.emplace(tenant("alice"), id_of("alice", "a")); };
  push({refers("alice", "a", 1)});
  run();
  EXPECT_EQ(source_of_texts.calls, 1);
  EXPECT_TRUE(codes().empty());
  EXPECT_EQ(source.records_done, 1u);
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="duplicate",type="upload"})"), 1);
}

// About as many bytes a token, a sentence and a paragraph as English has.
std::string prose_of(std::size_t bytes) {
  static constexpr std::string_view words[] = {"hello", "world", "the", "of",
                                               "a",     "keeper", "it", "was"};
  std::string text;
  text.reserve(bytes + 100);
  std::uint32_t random = 7;
  while (text.size() < bytes) {
    for (int word = 0; word < 14; ++word) {
      random = random * 1'664'525 + 1'013'904'223;
      text += words[random >> 29];
      text += ' ';
    }
    text.back() = '.';
    text += (random & 0x700'000) == 0 ? "\n\n" : " ";
  }
  text.resize(bytes);
  return text;
}

TEST_F(Fetching, TheLongestProseIsOneDocument) {
  options.rules = {};
  keep("alice", 1, prose_of(limits::referenced_text_bytes_max));
  push({refers("alice", "a", 1)});
  run();
  EXPECT_TRUE(codes().empty());
  ASSERT_EQ(stored("alice").size(), 1u);
  const auto chunks = store.writes_of.at(tenant("alice")).front().chunks.size();
  EXPECT_GT(chunks, options.chunks_per_event_max) << "an event of 1 MiB makes fewer";
  EXPECT_LE(chunks, limits::referenced_chunks_max);
}

TEST_F(Fetching, ATextOfMoreChunksSaysSo) {
  options.text_chunks_max = 3;
  options.rules.tokens = 2;
  keep("alice", 1, "hello world hello world hello world");
  keep("alice", 2, "hello world hello world hello world hello");
  push({refers("alice", "a", 1, "a"), refers("alice", "b", 2, "b")});
  run();
  EXPECT_TRUE(is_stored("alice", "a"));
  EXPECT_EQ(codes(), std::vector<std::string>{"event_too_large"});
}

TEST_F(Fetching, WhatWaitsForItsTextLeavesWithItsPartition) {
  options.text_bytes_max = options.texts_bytes_max = 1'000;
  keep("alice", 1, "hello");
  keep("alice", 2, "world");
  bool away = true;
  source_of_texts.on_call = [&] {
    if (away) throw_failure({Errc::unavailable, "the disk is away"});
  };
  auto other = refers("alice", "b", 2, "other");
  other.partition = 7;
  push({refers("alice", "a", 1), std::move(other)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return source_of_texts.calls > 0; });
    source.take_away("memory.upload.v1", 7);
    co_await wait_until([&] { return source.offsets_dropped.size() == 1; });
    away = false;
    co_await wait_until([&] { return is_stored("alice", "a"); });
    source.stop();
  });
  EXPECT_FALSE(is_stored("alice", "b"));
}

}  // namespace
}  // namespace memseal::ingest
