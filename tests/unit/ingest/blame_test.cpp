// Who is blamed for a failed step: an event only if the kind of the failure allows that and the
// dependency works. Everything else is waited for.
#include "cases/ingest/internal/blame.hpp"

#include "rig.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

TEST(SuspectOf, NamesAnEventForLastingRefusalsAndLateStepsOnly) {
  for (const auto& row : errc_table) {
    const bool lasting = row.remedy == Remedy::none, late = row.code == Errc::timeout;
    EXPECT_EQ(suspect_of(Stage::store, row.code) == Suspect::event, lasting || late) << row.name;
    EXPECT_NE(suspect_of(Stage::store, row.code), Suspect::unclear) << row.name;
    EXPECT_EQ(suspect_of(Stage::seal, row.code) == Suspect::event, lasting) << row.name;
    EXPECT_EQ(suspect_of(Stage::embed, row.code) == Suspect::event, lasting || late) << row.name;
  }
}

TEST(SuspectOf, DoubtsWhatAnEmbedderAnswersForOneText) {
  for (const auto code : {Errc::unavailable, Errc::bad_config})
    EXPECT_EQ(suspect_of(Stage::embed, code), Suspect::unclear);
  for (const auto code : {Errc::overloaded, Errc::shutting_down, Errc::cancelled})
    EXPECT_EQ(suspect_of(Stage::embed, code), Suspect::dependency);
}

struct Blame : Rig {
  std::vector<ports::OutRecord> letters() const { return sink.letters_of("memory.upload.v1"); }
  /// Events of alice "0" … "n-1", each with one chunk.
  void push_of_alice(int count) {
    std::vector<ports::Record> records;
    for (int i = 0; i < count; ++i) records.push_back(good("alice", std::to_string(i)));
    push(std::move(records));
  }
  std::vector<Uuid> ids_but(int count, int without) const {
    std::vector<Uuid> expected;
    for (int i = 0; i < count; ++i)
      if (i != without) expected.push_back(id_of("alice", std::to_string(i)));
    return expected;
  }
  /// The text of a document that the embedder refuses.
  void push_with_poison_text(int count, int poison) {
    std::vector<ports::Record> records;
    for (int i = 0; i < count; ++i)
      records.push_back(record(
          "alice", upload("alice", std::to_string(i), i == poison ? "note note" : "hello world")));
    push(std::move(records));
  }
  void fail_text(Errc code) {
    embedder.check = [code](const std::vector<ports::EmbedInput>& inputs) {
      for (const auto& input : inputs)
        if (input.text == "note note") throw_failure({code, "the endpoint answered 500"});
    };
  }
  void fail_event(const std::string& id, Errc code) {
    const auto poison = id_of("alice", id);
    store.poison = [poison, code](const ports::EventWrite& write) {
      if (write.event_id == poison) throw_failure({code, "refused"});
      return false;
    };
  }
};

TEST_F(Blame, WaitsAsLongAsTheCheckFailsToo) {
  for (int i = 0; i < 40; ++i) store.faults.next.push_back(Errc::timeout);
  push_of_alice(4);
  run();
  EXPECT_TRUE(letters().empty());
  EXPECT_EQ(stored("alice"), ids_but(4, -1));
  EXPECT_GE(store.rehearsals, 39);
  EXPECT_EQ(metric("memseal_ingest_isolations_total"), 0);
}

TEST_F(Blame, FindsTheEventThatIsLateWhileTheDatabaseWorks) {
  fail_event("5", Errc::timeout);
  push_of_alice(9);
  run();
  EXPECT_EQ(stored("alice"), ids_but(9, 5)) << "in their order";
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_EQ(header(letters()[0], "memseal-error-code"), "timeout");
  EXPECT_EQ(header(letters()[0], "memseal-error-attempts"), "5");
  EXPECT_EQ(header(letters()[0], "memseal-error-stage"), "process");
  EXPECT_EQ(metric("memseal_ingest_isolations_total"), 1);
  EXPECT_EQ(source.offsets_done.size(), 9u);
}

TEST_F(Blame, FindsTheTextThatTheEndpointAnswersWithAFaultOfItsOwn) {
  for (const auto code : {Errc::unavailable, Errc::timeout, Errc::bad_config, Errc::internal}) {
    store.writes_of.clear();
    store.ledger.clear();
    sink.records.clear();
    fail_text(code);
    push_with_poison_text(7, 3);
    run();
    EXPECT_EQ(stored("alice"), ids_but(7, 3)) << errc_name(code);
    ASSERT_EQ(letters().size(), 1u) << errc_name(code);
    EXPECT_EQ(header(letters()[0], "memseal-error-code"), errc_name(code));
  }
}

TEST_F(Blame, KeepsTheVectorsThatAreDoneWhileItLooksForTheFailingText) {
  options.embed_chunks_max = 4;
  fail_text(Errc::internal);
  push_with_poison_text(12, 11);
  run();
  EXPECT_EQ(stored("alice"), ids_but(12, 11));
  EXPECT_EQ(embedder.texts().size(), 11u) << "no text is embedded twice";
  EXPECT_EQ(embedder.batch_sizes(), (std::vector<std::size_t>{4, 4, 2, 1}));
}

TEST_F(Blame, EmbedsNothingMoreOfAnEventThatIsGivenUp) {
  options.embed_chunks_max = 1;
  options.rules.tokens = 2;
  fail_text(Errc::internal);
  push({record("alice", upload("alice", "1", "note note\n\nhello world\n\nhello world"))});
  run();
  EXPECT_EQ(letters().size(), 1u);
  EXPECT_TRUE(embedder.texts().empty());
}

// A zero vector, also one that is zero only as it is stored, has no distance to any question.
TEST_F(Blame, RefusesAVectorThatIsNotFiniteOrZeroOrOfAnotherLength) {
  EXPECT_TRUE(embedder.dimension() == 8);
  const std::function<void(ports::Embedding&)> spoils[] = {
      [](auto& vector) { vector[3] = std::nanf(""); },
      [](auto& vector) { vector[3] = 1e6f; },
      [](auto& vector) { vector.pop_back(); },
      [](auto& vector) { vector.assign(8, 0.0f); },
      [](auto& vector) { vector.assign(8, 1e-9f); }};
  std::size_t refused = 0;
  for (const auto& spoil : spoils) {
    embedder.spoil = [&](const std::string& text, ports::Embedding& vector) {
      if (text == "note note") spoil(vector);
    };
    store.writes_of.clear();
    store.ledger.clear();
    push_with_poison_text(3, 1);
    run();
    EXPECT_EQ(stored("alice"), ids_but(3, 1)) << refused;
    EXPECT_EQ(letters().size(), ++refused);
  }
}

// The model was exchanged for one with longer vectors, or is broken: every event would fail.
TEST_F(Blame, EndsWhenTheEmbedderAnswersTheFixedTextWronglyToo) {
  options.setup_patience = 20ms;
  const std::function<void(ports::Embedding&)> spoils[] = {
      [](auto& vector) { vector.push_back(0); },
      [](auto& vector) { vector.assign(vector.size(), 0.0f); }};
  for (const auto& spoil : spoils) {
    embedder.spoil = [&](const std::string&, ports::Embedding& vector) { spoil(vector); };
    push_of_alice(3);
    std::optional<Errc> ended;
    try {
      run();
    } catch (const Refused& refused) {
      ended = refused.error().code;
    }
    EXPECT_EQ(ended, Errc::dimension_mismatch);
    EXPECT_TRUE(sink.records.empty());
    EXPECT_TRUE(source.offsets_done.empty());
  }
}

// A lock, a full disk, a lost session: known to be no event's fault, so nothing is asked.
TEST_F(Blame, NeverBlamesAnEventForLocksResourcesOrLostConnections) {
  for (const auto code : {Errc::overloaded, Errc::unavailable}) {
    int left = 30;
    store.poison = [&](const ports::EventWrite& write) {
      if (write.event_id == id_of("alice", "1") && left-- > 0) throw_failure({code, "locked"});
      return false;
    };
    store.writes_of.clear();
    store.ledger.clear();
    push_of_alice(3);
    run();
    EXPECT_EQ(stored("alice"), ids_but(3, -1)) << "in their order";
    EXPECT_TRUE(letters().empty());
    EXPECT_EQ(left, -1);
  }
  EXPECT_EQ(store.rehearsals, 0);
}

TEST_F(Blame, WaitsForARefusalThatTheCheckMeetsToo) {
  int failures = 0;
  store.poison = [&](const ports::EventWrite&) {
    if (failures++ < 50) throw_failure({Errc::internal, "refused"});
    return false;
  };
  store.check = [&] {
    if (failures < 50) throw_failure({Errc::internal, "refused"});
  };
  push_of_alice(3);
  run();
  EXPECT_EQ(stored("alice"), ids_but(3, -1));
  EXPECT_TRUE(letters().empty());
}

TEST_F(Blame, RehearsesAReplacedDocumentOfNoTenant) {
  fail_event("1", Errc::internal);
  push_of_alice(2);
  run();
  ASSERT_EQ(store.rehearsed.size(), 2u);
  EXPECT_EQ(store.rehearsed[0].doc_id, store.rehearsed[1].doc_id);
  EXPECT_LT(store.rehearsed[0].revision, store.rehearsed[1].revision);
  for (const auto& write : store.rehearsed) {
    EXPECT_EQ(write.chunks.size(), 1u);
    EXPECT_EQ(write.chunks[0].embedding().size(), embedder.dimension());
    EXPECT_FALSE(write.document_name_cipher.empty());
  }
}

asio::awaitable<void> look_while_stalled(Rig& rig, std::string& seen) {
  for (int i = 0; i < 2'000 && rig.metric("memseal_ingest_stalled") != 1; ++i)
    co_await runtime::pause_for(1ms);
  seen = rig.metrics.render();
  rig.store.faults.error.reset();
}

asio::awaitable<void> both(asio::awaitable<void> one, asio::awaitable<void> other) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(std::move(one));
  tasks.spawn(std::move(other));
  co_await tasks.join();
}

TEST_F(Blame, ShowsWhatEachStepWaitsFor) {
  store.faults.error = Error{Errc::unavailable, "unavailable"};
  std::vector<ports::Record> records;
  for (const char* user : {"alice", "bob", "carol"}) records.push_back(good(user, "1"));
  push(std::move(records));
  Worker worker(deps(), options);
  std::string seen;
  test::run_to_end(loop, both(worker.run(), look_while_stalled(*this, seen)));
  EXPECT_NE(seen.find("memseal_ingest_stalled 1\n"), seen.npos);
  EXPECT_NE(seen.find("memseal_ingest_stalled_steps{cause=\"unavailable\",stage=\"store\"}"),
            seen.npos);
  EXPECT_EQ(metric("memseal_ingest_stalled"), 0);
  EXPECT_EQ(metric("memseal_ingest_stalled_steps{cause=\"unavailable\",stage=\"store\"}"), 0);
  EXPECT_EQ(store.events(), 3u);
}

struct BrakeRig : Blame {
  BrakeRig() {
    options.brake = {.refused_max = 4,
                     .share_percent = 100,
                     .share_refused_min = 100,
                     .window = 60s,
                     .hold_first = 300ms,
                     .hold_max = 300ms};
  }
};

TEST_F(BrakeRig, HoldsBackTheLettersAndTriesTheEventsAgain) {
  bool broken = true;
  store.poison = [&](const ports::EventWrite&) { return broken; };
  sink.check = [&](const ports::OutRecord&) {
    if (sink.records.size() == 3) broken = false;  // fixed while the brake holds
  };
  push_of_alice(12);
  const auto start = std::chrono::steady_clock::now();
  run();
  EXPECT_GE(std::chrono::steady_clock::now() - start, 300ms);
  EXPECT_EQ(letters().size(), 4u);
  EXPECT_EQ(stored("alice").size(), 8u) << "the rest was tried again and stored";
  EXPECT_EQ(source.offsets_done.size(), 12u);
  EXPECT_EQ(metric("memseal_ingest_brakes_total"), 1);
  EXPECT_EQ(metric("memseal_ingest_brake"), 0);
}

TEST_F(BrakeRig, LetsEventsThatStayBrokenGoAtItsRate) {
  store.poison = [](const ports::EventWrite&) { return true; };
  push_of_alice(9);
  run();
  EXPECT_EQ(letters().size(), 9u);
  EXPECT_EQ(metric("memseal_ingest_brakes_total"), 2);
}

TEST_F(BrakeRig, DoesNotCountWhatCannotBeRead) {
  std::vector<ports::Record> records;
  for (int i = 0; i < 30; ++i) records.push_back(record("alice", "garbage"));
  push(std::move(records));
  run();
  EXPECT_EQ(letters().size(), 30u);
  EXPECT_EQ(metric("memseal_ingest_brakes_total"), 0);
}

TEST_F(BrakeRig, EndsAtOnceWhenCancelledWhileItHolds) {
  options.brake.hold_first = options.brake.hold_max = 1h;
  store.poison = [](const ports::EventWrite&) { return true; };
  push_of_alice(9);
  Worker worker(deps(), options);
  const auto stop = [](Rig& rig) -> asio::awaitable<void> {
    while (rig.metric("memseal_ingest_brake") != 1) co_await runtime::pause_for(1ms);
    throw std::runtime_error("stopped");
  };
  EXPECT_THROW(test::run_to_end(loop, both(worker.run(), stop(*this))), std::runtime_error);
  EXPECT_EQ(letters().size(), 4u);
  EXPECT_EQ(source.offsets_done.size(), 4u) << "only those that became letters are done";
}

}  // namespace
}  // namespace memseal::ingest
