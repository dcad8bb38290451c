// The dead letters of a topic as an operator sees them, and what worker and operator write there.
#include "cases/ingest/letter_list.hpp"
#include "rig.hpp"

namespace memseal::ingest {
namespace {

constexpr const char* dlq = "memory.upload.v1.dlq";

struct LetterListTest : Rig {
  /// What the worker published, as the records of the topic of dead letters.
  std::vector<ports::Record> records_of_sink() const {
    std::vector<ports::Record> records;
    for (const auto& letter : sink.letters_of("memory.upload.v1"))
      records.push_back({.topic = dlq,
                         .partition = 0,
                         .offset = static_cast<std::int64_t>(records.size()),
                         .timestamp_ms = 1'700'000'000'500,
                         .key = letter.key,
                         .value = letter.value,
                         .headers = letter.headers});
    return records;
  }
  static std::vector<Letter> letters_in(const std::vector<ports::Record>& records) {
    LetterList list;
    for (const auto& one : records) list.add(one);
    return list.take();
  }
  static std::string value_of(const Letter& letter, const std::vector<ports::Record>& records) {
    std::string value;
    for (const auto offset : letter.offsets)
      value += records.at(static_cast<std::size_t>(offset)).value;
    return value;
  }
  Result<ports::Record> open(const Letter& letter, const std::string& value) const {
    const auto owner = letter.user ? keyer.tenant_of_hash(*letter.user) : nobody(keyer);
    if (!letter.is_for_tenant)
      return open_dead_letter(nobody(keyer), dead_letter_key, letter.event_id.value(), value);
    return open_dead_letter(owner, *fakes::TenantKeys::key_of(owner), letter.event_id.value(),
                            value);
  }
  ports::OutRecord as_replay(const Letter& letter, const std::vector<ports::Record>& records,
                             bool keeps_place = true) {
    return replay_of(letter, open(letter, value_of(letter, records)).value(), keeps_place);
  }
};

TEST_F(LetterListTest, HasWhatTheHeadersSay) {
  auto broken = record("alice", R"({"specversion":"1.0"})");
  broken.partition = 3;
  push({broken});
  run();
  const auto letters = letters_in(records_of_sink());
  ASSERT_EQ(letters.size(), 1u);
  const auto& letter = letters[0];
  EXPECT_EQ(letter.name(), "memory.upload.v1.dlq/0/0");
  EXPECT_EQ(letter.code, "bad_event");
  EXPECT_EQ(letter.message, "/type is missing");
  EXPECT_EQ(letter.field, "/type");
  EXPECT_EQ(letter.stage, "read");
  EXPECT_EQ(letter.source_topic, "memory.upload.v1");
  EXPECT_EQ(letter.source_partition + "/" + letter.source_offset, "3/0");
  EXPECT_EQ(letter.source_time_ms, 1'700'000'000'000);
  EXPECT_EQ(letter.user, tenant("alice").hash());
  EXPECT_TRUE(letter.is_for_tenant);
  EXPECT_EQ(letter.state, LetterState::open);
}

TEST_F(LetterListTest, PutsTheTopicOfALetterAboveWhatAForgedHeaderSays) {
  push({record("alice", "garbage")});
  run();
  auto records = records_of_sink();
  for (auto& [name, value] : records[0].headers)
    if (name == "memseal-original-topic") value = "somewhere.else";
  EXPECT_EQ(letters_in(records)[0].source_topic, "memory.upload.v1");
}

TEST_F(LetterListTest, ALetterThatABrokerDoesNotTakeGoesInPartsThatOpenTogether) {
  constexpr std::size_t broker_takes = 100'000;
  sink.check = [](const ports::OutRecord& letter) {
    if (letter.value.size() > broker_takes) throw Refused({Errc::payload_too_large, "too large"});
  };
  const std::string big(400'000, 'x');
  push({record("alice", big), record("alice", "small")});
  run();
  const auto records = records_of_sink();
  EXPECT_GT(records.size(), 5u);
  const auto letters = letters_in(records);
  ASSERT_EQ(letters.size(), 2u);
  const auto& large = letters[letters[0].offsets.size() > 1 ? 0 : 1];
  EXPECT_GE(large.offsets.size(), 5u);
  EXPECT_EQ(large.value_omitted, "");
  const auto original = open(large, value_of(large, records));
  ASSERT_TRUE(original);
  EXPECT_EQ(original->value, big);
}

TEST_F(LetterListTest, PartsThatAreNotThereMakeALetterIncomplete) {
  sink.check = [](const ports::OutRecord& letter) {
    if (letter.value.size() > 60'000) throw Refused({Errc::payload_too_large, "too large"});
  };
  push({record("alice", std::string(200'000, 'x'))});
  run();
  const auto records = records_of_sink();
  ASSERT_GE(records.size(), 4u);
  for (std::size_t gone = 0; gone < records.size(); ++gone) {
    auto rest = records;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(gone));
    const auto letters = letters_in(rest);
    ASSERT_EQ(letters.size(), 1u) << gone;
    EXPECT_EQ(letters[0].value_omitted, "incomplete") << gone;
  }
  auto repeated = records;
  repeated.insert(repeated.begin() + 1, records[0]);
  auto begun_anew = records;
  begun_anew.insert(begun_anew.begin(), records[0]);
  for (auto& [name, value] : begun_anew[0].headers)
    if (name == "memseal-letter-id") value = "an attempt with larger parts";
  auto of_another_event = begun_anew;
  for (auto& [name, value] : of_another_event[0].headers)
    if (name == "memseal-event-id") value = "01234567-89ab-7cde-8f01-23456789abcd";
  EXPECT_EQ(letters_in(of_another_event).size(), 2u) << "its topic was made again";
  for (const auto& all : {repeated, begun_anew}) {
    const auto letters = letters_in(all);
    ASSERT_EQ(letters.size(), 1u);
    EXPECT_EQ(letters[0].value_omitted, "");
    EXPECT_EQ(letters[0].offsets.size(), records.size());
  }
}

TEST_F(LetterListTest, LettersCanBeTakenWhileTheTopicIsRead) {
  sink.check = [](const ports::OutRecord& letter) {
    if (letter.value.size() > 60'000) throw Refused({Errc::payload_too_large, "too large"});
  };
  push({record("alice", "one"), record("alice", std::string(200'000, 'x')),
        record("bob", "three")});
  run();
  auto records = records_of_sink();
  // What a writer that began again left behind, in front and behind.
  const auto in_parts = std::find_if(records.begin(), records.end(), [](const auto& one) {
    return std::any_of(one.headers.begin(), one.headers.end(),
                       [](const auto& header) { return header.first == "memseal-part"; });
  });
  auto torn = *in_parts;
  for (const char* id : {"before", "behind"}) {
    for (auto& [name, value] : torn.headers)
      if (name == "memseal-letter-id") value = id;
    records.insert(std::string_view(id) == "before" ? records.begin() : records.end(), torn);
  }
  const auto mark = mark_of(letters_in(records).front(), LetterState::dropped);
  records.push_back({.topic = dlq, .offset = 99, .key = mark.key, .headers = mark.headers});
  LetterMarks marks;
  for (const auto& one : records) marks.add(one);
  LetterList list(std::move(marks));
  std::vector<std::string> taken, all;
  std::size_t held = 0;
  for (const auto& one : records) {
    list.add(one);
    for (const auto& letter : list.take_whole())
      taken.push_back(letter.name() + std::string(letter_state_name(letter.state)));
    held = std::max(held, list.size());
  }
  for (const auto& letter : list.take())
    taken.push_back(letter.name() + std::string(letter_state_name(letter.state)));
  for (const auto& letter : letters_in(records))
    all.push_back(letter.name() + std::string(letter_state_name(letter.state)));
  std::sort(taken.begin(), taken.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(taken.size(), 3u);
  EXPECT_EQ(taken, all);
  EXPECT_LE(held, 2u) << "only what is not whole";
}

// A crash before the commit writes the letter again, and a second crash tears the repetition.
TEST_F(LetterListTest, WhatIsLeftOfARepetitionIsNoLetterAfterTheWholeOneWasTaken) {
  push({record("alice", std::string(200'000, 'x'))});
  run();
  auto records = records_of_sink();
  ASSERT_EQ(records.size(), 1u);
  auto torn = records[0];
  torn.offset = 1;
  torn.headers.emplace_back("memseal-letter-id", "second");
  torn.headers.emplace_back("memseal-part", "1/2");
  LetterList list{LetterMarks{}};
  list.add(records[0]);
  EXPECT_EQ(list.take_whole().size(), 1u);
  list.add(torn);
  EXPECT_EQ(list.whole(), 0u);
  EXPECT_TRUE(list.take().empty());
}

TEST_F(LetterListTest, TakingLettersLooksAtNoneThatIsIncomplete) {
  push({record("alice", "garbage")});
  run();
  const auto whole = records_of_sink().at(0);
  LetterList list{LetterMarks{}};
  for (int i = 0; i < 10'000; ++i) {
    auto torn = whole;
    torn.headers.emplace_back("memseal-letter-id", std::to_string(i));
    torn.headers.emplace_back("memseal-part", "1/2");
    list.add(torn);
  }
  EXPECT_EQ(list.whole(), 0u);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1'000; ++i) {
    list.add(whole);
    EXPECT_EQ(list.take_whole().size(), 1u);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(LetterListTest, AReplaySaysWhereTheEventWasNewAlsoTheSecondTime) {
  auto broken = record("alice", "garbage");
  broken.partition = 3;
  broken.offset = 17;
  push({broken});
  run();
  auto records = records_of_sink();
  const auto first = as_replay(letters_in(records).at(0), records);
  EXPECT_EQ(header(first, "memseal-original-topic"), "memory.upload.v1");
  EXPECT_EQ(header(first, "memseal-original-partition"), "3");
  EXPECT_EQ(header(first, "memseal-original-offset"), "17");
  auto bare = broken.headers;
  bare.emplace_back("memseal-original-refused-at", header(first, "memseal-original-refused-at"));
  EXPECT_EQ(without_replay_headers(first).headers, bare);
  ports::Record again{.topic = "memory.upload.v1", .partition = 0, .offset = 900,
                      .timestamp_ms = broken.timestamp_ms, .key = first.key,
                      .value = first.value, .headers = first.headers};
  push({again});
  run();
  records = records_of_sink();
  ASSERT_EQ(records.size(), 2u);
  const auto second = as_replay(letters_in(records).at(1), records);
  EXPECT_EQ(header(second, "memseal-original-offset"), "17");
  EXPECT_EQ(std::count_if(second.headers.begin(), second.headers.end(),
                          [](const auto& one) { return one.first == "memseal-original-offset"; }),
            1);
  EXPECT_EQ(header(second, "memseal-original-refused-at"),
            header(first, "memseal-original-refused-at"));
}

TEST_F(LetterListTest, WhatAnybodyWroteOfTheFirstPlaceIsLeftOut) {
  auto forged = record("alice", "garbage");
  forged.offset = 17;
  forged.headers.emplace_back("memseal-original-topic", "memory.chat.v1");
  forged.headers.emplace_back("memseal-original-partition", "3");
  forged.headers.emplace_back("memseal-original-offset", "1");
  forged.headers.emplace_back("memseal-original-refused-at", "1");
  push({forged});
  run();
  const auto records = records_of_sink();
  const auto letters = letters_in(records);
  const auto replay = as_replay(letters.at(0), records, false);
  EXPECT_EQ(header(replay, "memseal-original-topic"), "memory.upload.v1");
  EXPECT_EQ(header(replay, "memseal-original-offset"), "17");
  EXPECT_EQ(header(replay, "memseal-original-refused-at"), std::to_string(letters[0].written_ms));
}

TEST_F(LetterListTest, AMarkClosesALetterAndTheLastOneCounts) {
  push({record("alice", "one"), record("alice", "two"), record("bob", "three")});
  run();
  auto records = records_of_sink();
  const auto add_mark = [&](const Letter& letter, LetterState state) {
    const auto mark = mark_of(letter, state);
    EXPECT_EQ(mark.source_topic, "memory.upload.v1");
    records.push_back({.topic = dlq,
                       .offset = static_cast<std::int64_t>(records.size()),
                       .key = mark.key,
                       .headers = mark.headers});
  };
  const auto before = letters_in(records);
  ASSERT_EQ(before.size(), 3u);
  add_mark(before[0], LetterState::replayed);
  add_mark(before[1], LetterState::replayed);
  add_mark(before[1], LetterState::dropped);
  records.push_back({.topic = dlq, .headers = {{"memseal-mark", "nonsense"}}});
  records.push_back({.topic = dlq, .value = "of a stranger"});
  const auto after = letters_in(records);
  ASSERT_EQ(after.size(), 3u) << "a mark is no letter";
  EXPECT_EQ(after[0].state, LetterState::replayed);
  EXPECT_EQ(after[1].state, LetterState::dropped);
  EXPECT_EQ(after[2].state, LetterState::open);
  EXPECT_FALSE(LetterFilter{}.matches(after[0]));
  EXPECT_TRUE(LetterFilter{.closed_too = true}.matches(after[0]));
  EXPECT_TRUE(LetterFilter{}.matches(after[2]));
}

TEST_F(LetterListTest, AFilterMeansWhatItNames) {
  push({record("alice", "garbage"), record("", "garbage")});
  run();
  const auto letters = letters_in(records_of_sink());
  ASSERT_EQ(letters.size(), 2u);
  const auto hits = [&](const LetterFilter& filter) {
    return std::count_if(letters.begin(), letters.end(),
                         [&](const auto& letter) { return filter.matches(letter); });
  };
  const auto of_nobody = std::find_if(letters.begin(), letters.end(),
                                      [](const auto& letter) { return !letter.user; });
  ASSERT_NE(of_nobody, letters.end());
  EXPECT_EQ(hits({}), 2);
  EXPECT_EQ(hits({.code = "event_without_user"}), 0);
  EXPECT_EQ(hits({.code = "bad_event"}), 2);
  EXPECT_EQ(hits({.user = tenant("alice").hash()}), 1);
  EXPECT_EQ(hits({.user = tenant("bob").hash()}), 0);
  EXPECT_EQ(hits({.id = of_nobody->name()}), 1);
  EXPECT_EQ(hits({.id = of_nobody->event_id->to_string()}), 1);
  EXPECT_EQ(hits({.since_ms = 1'700'000'000'500}), 2);
  EXPECT_EQ(hits({.since_ms = 1'700'000'000'501}), 0);
  EXPECT_EQ(hits({.until_ms = 1'700'000'000'500}), 0);
  EXPECT_EQ(hits({.until_ms = 1'700'000'000'501}), 2);
}

TEST_F(LetterListTest, AReplayedEventTakesEffectOnceUnderItsOwnId) {
  const auto poison = id_of("alice", "1");
  bool is_broken = true;
  store.poison = [&](const ports::EventWrite& write) {
    return is_broken && write.event_id == poison;
  };
  auto original = good("alice", "1");
  original.headers.emplace_back("traceparent", "00-1");
  push({original});
  run();
  EXPECT_TRUE(stored("alice").empty());
  ASSERT_EQ(store.failures.size(), 1u);
  is_broken = false;
  const auto records = records_of_sink();
  const auto letters = letters_in(records);
  ASSERT_EQ(letters.size(), 1u);
  const auto replayed = as_replay(letters[0], records);
  EXPECT_EQ(replayed.key, original.key);
  EXPECT_EQ(replayed.value, original.value);
  EXPECT_EQ(replayed.timestamp_ms, original.timestamp_ms);
  EXPECT_EQ(header(replayed, "traceparent"), "00-1");
  for (int time = 0; time < 2; ++time) {
    auto again = record(replayed.key, replayed.value);
    again.headers = replayed.headers;
    push({again});
    run();
  }
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{poison});
  EXPECT_EQ(records_of_sink().size(), 1u) << "no second letter";
}

TEST_F(LetterListTest, AMalformedEventMakesNoTenant) {
  keys.strangers.insert(tenant("mallory"));
  push({record("mallory", "garbage"), record("alice", "garbage"),
        record("mallory", upload("mallory", "1", ""))});
  run();
  const auto records = records_of_sink();
  const auto letters = letters_in(records);
  ASSERT_EQ(letters.size(), 3u);
  for (const auto& letter : letters) {
    const bool is_stranger = letter.user == tenant("mallory").hash();
    EXPECT_EQ(letter.is_for_tenant, !is_stranger);
    EXPECT_TRUE(open(letter, value_of(letter, records)));
  }
  EXPECT_TRUE(store.failures.empty()) << "a row in the ledger would make the tenant, too";
}

TEST_F(LetterListTest, AProducerOfManyMalformedEventsWaitsForNoLetterAlone) {
  std::vector<ports::Record> records;
  for (int i = 0; i < 40; ++i) records.push_back(record("alice", "garbage " + std::to_string(i)));
  push(std::move(records));
  run();
  const auto letters = letters_in(records_of_sink());
  EXPECT_EQ(letters.size(), 40u);
  std::set<std::string> offsets;
  for (const auto& letter : letters) offsets.insert(letter.source_offset);
  EXPECT_EQ(offsets.size(), 40u);
  EXPECT_EQ(source.offsets_done.size(), 40u);
}

}  // namespace
}  // namespace memseal::ingest
