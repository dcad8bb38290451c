// An erasure is whole or can be completed, and takes nothing of another tenant.
#include "cases/person/erase.hpp"

#include "fakes/file_store.hpp"
#include "fakes/person_store.hpp"
#include "support/run_loop.hpp"

#include <optional>
#include <string>
#include <vector>

namespace memseal::person {
namespace {

crypto::Tenant tenant(const std::string& user) {
  static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 1)));
  return keyer.tenant_of(UserId::parse(user).value());
}

class Erase : public testing::Test {
 protected:
  Erase() { begin(); }
  void begin() {
    for (const auto& user : {ada, bob}) {
      people.people[user] = {.state = {.known = true, .counts = {.chunks = 9, .files = 1}},
                             .erasure = {.chunks = 9, .files = 1},
                             .rows_left = 50'001};
      files.objects[{user.hash(), {}}] = {};
    }
  }
  /// The code of the failure; empty where it was erased.
  std::optional<Errc> erase(ports::FileStore* store) {
    const EraseDeps deps{people, store,
                         [this](const crypto::Tenant& who) { forgotten.push_back(who); }};
    const auto work = [&]() -> asio::awaitable<void> {
      erasure = co_await person::erase(deps, [] { return runtime::RequestContext{"r"}; }, ada);
    };
    try {
      test::run(work());
    } catch (const Failure& failed) {
      return failed.error().code;
    }
    return std::nullopt;
  }

  const crypto::Tenant ada = tenant("ada"), bob = tenant("bob");
  fakes::PersonStore people;
  fakes::FileStore files;
  std::vector<crypto::Tenant> forgotten;
  ports::Erasure erasure;
};

TEST_F(Erase, TakesRowsAndFilesOfOneTenantAndForgetsItsKeys) {
  EXPECT_EQ(erase(&files), std::nullopt);
  EXPECT_EQ(erasure.at_ms, people.now_ms);
  EXPECT_EQ(erasure.chunks, 9);
  EXPECT_EQ(people.people[ada].rows_left, 0u);
  EXPECT_EQ(forgotten, std::vector{ada});
  EXPECT_EQ(people.people[bob].rows_left, 50'001u);
  EXPECT_FALSE(people.people[bob].state.erased_at_ms);
  ASSERT_EQ(files.objects.size(), 1u);
  EXPECT_EQ(files.objects.begin()->first.first, bob.hash());
}

TEST_F(Erase, CutShortAtAnyCallIsCompletedByTheNextWithTheSameResult) {
  int cut = 0;
  for (int call = 1;; ++call) {
    begin();
    people.calls_to_outage = call;
    if (!erase(&files)) break;
    ++cut;
    const bool buried = people.people[ada].state.erased_at_ms.has_value();
    const auto at_ms = people.people[ada].erasure.at_ms;
    EXPECT_EQ(buried, call > 1) << "only the first call may change nothing";
    people.calls_to_outage = 0;
    people.now_ms += 1'000;
    EXPECT_EQ(erase(&files), std::nullopt);
    EXPECT_EQ(erasure.at_ms, buried ? at_ms : people.now_ms);
    EXPECT_EQ(people.people[ada].rows_left, 0u);
    EXPECT_EQ(files.objects.size(), 1u);
  }
  EXPECT_EQ(cut, 5) << "bury, three parts of the rows, the end";
}

TEST_F(Erase, IsNotDoneWhileTheFilesAreThere) {
  files.full = true;
  EXPECT_EQ(erase(&files), Errc::unavailable);
  const auto at_ms = people.people[ada].erasure.at_ms;
  files.full = false;
  people.now_ms += 1'000;
  EXPECT_EQ(erase(&files), std::nullopt);
  EXPECT_EQ(erasure.at_ms, at_ms);
  EXPECT_EQ(files.objects.size(), 1u);
}

TEST_F(Erase, IsRefusedBeforeItBeginsWhereTheFilesCannotBeReached) {
  EXPECT_EQ(erase(nullptr), Errc::bad_config);
  EXPECT_FALSE(people.people[ada].state.erased_at_ms);
  files.full = true;
  EXPECT_EQ(erase(&files), Errc::unavailable) << "the rows are gone now";
  EXPECT_EQ(erase(nullptr), Errc::bad_config) << "and the files are not";
  EXPECT_EQ(files.objects.size(), 2u);
}

/// What a process does about erasures that another one left.
std::size_t finish(fakes::PersonStore& people, ports::FileStore* files) {
  static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 1)));
  const EraseDeps deps{people, files, {}};
  std::size_t finished = 0;
  const auto work = [&]() -> asio::awaitable<void> {
    finished = co_await finish_erasures(
        deps, [] { return runtime::RequestContext{"r"}; }, keyer, std::chrono::seconds(120));
  };
  test::run(work());
  return finished;
}

TEST_F(Erase, LeftInTheMiddleByAProcessIsFinishedByAnother) {
  for (int call = 2; call <= 5; ++call) {
    begin();
    people.calls_to_outage = call;
    ASSERT_EQ(erase(&files), Errc::unavailable);
    people.calls_to_outage = 0;
    EXPECT_EQ(people.unfinished, std::vector{ada.hash()});
    EXPECT_EQ(finish(people, &files), 1u);
    EXPECT_EQ(people.people[ada].rows_left, 0u);
    EXPECT_EQ(files.objects.size(), 1u);
    EXPECT_TRUE(people.unfinished.empty());
    EXPECT_EQ(finish(people, &files), 0u);
  }
}

TEST_F(Erase, ThatCannotBeFinishedHereIsLeftForAProcessThatCan) {
  people.calls_to_outage = 3;
  ASSERT_EQ(erase(&files), Errc::unavailable);
  EXPECT_EQ(finish(people, nullptr), 0u) << "the files are not here";
  EXPECT_EQ(people.unfinished.size(), 1u);
  EXPECT_EQ(finish(people, &files), 1u);
}

TEST_F(Erase, IsNotBegunByANoteOfNobodysErasure) {
  people.unfinished = {bob.hash()};
  EXPECT_EQ(finish(people, &files), 0u);
  EXPECT_FALSE(people.people[bob].state.erased_at_ms);
  EXPECT_EQ(people.people[bob].rows_left, 50'001u);
  EXPECT_TRUE(people.unfinished.empty());
}

}  // namespace
}  // namespace memseal::person
