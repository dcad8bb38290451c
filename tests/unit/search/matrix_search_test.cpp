// The plan in memory against that of the database: the same rows, whatever is asked and changes.
#include "rig.hpp"

#include <atomic>
#include <limits>
#include <thread>

namespace memseal::search {
namespace {

/// Every filter, alone and with others.
std::vector<ports::SearchFilter> filters_for(const fakes::TenantChunks& shown, Random& random) {
  constexpr std::int64_t base_ms = 946'684'800'000;
  std::vector<ports::SearchFilter> all(14);
  all[1].origins = {Origin::chat};
  all[2].tags = {"red", "blue"};
  all[3].tags_any = {"green", "absent"};
  all[4].tags_none = {"red"};
  all[5].doc_ids = {"doc-1", "doc-3", "absent"};
  all[6].exclude = {"doc-0", "doc-2"};
  all[7].after_ms = base_ms + 300;
  all[8].before_ms = base_ms + 700;
  all[9].tags = {"absent"};
  all[10].tags_any = {"absent"};
  for (int i = 0; i < 5 && !shown.chunks.empty(); ++i)
    all[11].ids.push_back(shown.chunks[random.below(shown.chunks.size())].id);
  all[12].doc_ids = {"doc-1", "doc-2"};
  all[12].tags_none = {"blue"};
  all[12].after_ms = base_ms + 100;
  all[13].origins = {Origin::api};
  all[13].exclude = {"doc-1"};
  all[13].before_ms = base_ms + 900;
  return all;
}

void fill(Rig& rig, const crypto::Tenant& owner, std::size_t count, Random& random) {
  for (std::size_t doc = 0; doc < 5; ++doc)
    rig.database.put(owner, "doc-" + std::to_string(doc),
                     random.chunks(count / 5 + (doc < count % 5 ? 1 : 0)));
}

TEST(MatrixSearch, AnswersAsTheDatabaseDoesWhateverIsAsked) {
  for (const std::size_t count : {1u, 5u, 33u, 200u, 5'000u}) {
    Rig rig;
    Random random(static_cast<unsigned>(count));
    const auto owner = tenant("ada");
    fill(rig, owner, count, random);
    rig.ask(owner, random.vector());
    for (const auto& filter : filters_for(*rig.database.snapshot(owner), random))
      for (const std::size_t limit : {1u, 24u, 100u}) {
        if (count > 1'000 && limit != 24) continue;
        const auto query = random.vector();
        auto paged = filter;
        rig.expect_same(owner, query, limit, paged);
        // Page by page through the order, over rows that are equally near.
        for (int page = 0; page < (count > 1'000 ? 1 : 2); ++page) {
          const auto shown = Rig::of(rig.database, owner, query, limit, paged);
          if (shown.empty()) break;
          paged.after = ports::SearchPlace{shown.back().distance, shown.back().id};
          rig.expect_same(owner, query, limit, paged);
        }
      }
    EXPECT_EQ(rig.metrics.evicted_wrong.Value(), 0);
  }
}

TEST(MatrixSearch, SeveralQuestionsAreAnsweredInOnePass) {
  Rig rig;
  Random random(7);
  const auto owner = tenant("ada");
  fill(rig, owner, 300, random);
  rig.ask(owner, random.vector());
  for (std::size_t count = 1; count <= 8; ++count) {
    std::vector<ports::QueryVector> queries;
    for (std::size_t i = 0; i < count; ++i) queries.push_back({random.vector()});
    std::vector<std::vector<crypto::SealedCandidate>> found;
    const auto work = [&]() -> asio::awaitable<void> {
      runtime::RequestContext context{"test", runtime::Deadline::never()};
      const ports::SearchFilter all;
      found = co_await rig.search.nearest_of_each(context, owner, queries, 24, all);
    };
    test::run(work());
    ASSERT_EQ(found.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto wanted = Rig::of(rig.database, owner, queries[i].values, 24, {});
      ASSERT_EQ(found[i].size(), wanted.size());
      for (std::size_t at = 0; at < wanted.size(); ++at)
        ASSERT_EQ(found[i][at].id, wanted[at].id) << count << ' ' << i << ' ' << at;
    }
  }
  EXPECT_EQ(rig.metrics.loads_full.Value(), 1);
}

TEST(MatrixSearch, ReadsOnlyTheDocumentsThatChanged) {
  Rig rig;
  Random random(11);
  const auto owner = tenant("ada");
  for (int doc = 0; doc < 30; ++doc)
    rig.database.put(owner, "doc-" + std::to_string(doc), random.chunks(20));
  rig.ask(owner, random.vector());
  rig.expect_same(owner, random.vector(), 24, {});
  EXPECT_EQ(rig.database.rows_read, 600u);
  std::size_t changed = 0;
  for (int round = 0; round < 30; ++round) {
    // A large document comes and goes: its rows are then most of all, and dead.
    const bool comes = round == 20, goes = round == 22;
    const auto doc = "doc-" + std::to_string(comes || goes ? 99 : random.below(35));
    if (goes || (!comes && random.below(4) == 0)) {
      rig.database.remove(owner, doc);
    } else {
      const auto count = comes ? 4'700 : 1 + random.below(40);
      rig.database.put(owner, doc, random.chunks(count));
      changed += count;
    }
    rig.expect_same(owner, random.vector(), 24, {});
  }
  EXPECT_EQ(rig.database.rows_read, 600u + changed);
  EXPECT_EQ(rig.metrics.loads_full.Value(), 1);
  EXPECT_EQ(rig.metrics.loads_delta.Value(), 30);
  EXPECT_EQ(rig.metrics.evicted_wrong.Value(), 0);
}

TEST(MatrixSearch, ALargeConversationIsReadInParts) {
  Rig rig;
  Random random(13);
  const auto owner = tenant("ada");
  rig.database.put(owner, "long", random.chunks(10'000));
  rig.ask(owner, random.vector());
  rig.expect_same(owner, random.vector(), 100, {});
  EXPECT_EQ(rig.database.rows_read, 10'000u);
}

TEST(MatrixSearch, WhatExpiresMeanwhileIsLeftOut) {
  Rig rig;
  Random random(17);
  const auto owner = tenant("ada");
  fill(rig, owner, 400, random);
  rig.ask(owner, random.vector());
  for (rig.database.now_us = 0; rig.database.now_us < 2'000'000; rig.database.now_us += 250'000)
    rig.expect_same(owner, random.vector(), 400, {});
}

TEST(MatrixSearch, ASmallTenantAndAFirstQuestionAreLeftToTheDatabase) {
  auto options = at_once();
  options.chunks_min = 100;
  Rig rig(options);
  Random random(19);
  const auto small = tenant("small"), large = tenant("large");
  fill(rig, small, 99, random);
  fill(rig, large, 100, random);
  for (int i = 0; i < 4; ++i) rig.expect_same(small, random.vector(), 24, {}, false);
  rig.expect_same(large, random.vector(), 24, {}, false);
  rig.expect_same(large, random.vector(), 24, {}, true);
  EXPECT_EQ(rig.metrics.plan_exact.Value(), 5);
  EXPECT_EQ(rig.metrics.tenants.Value(), 1);
}

TEST(MatrixSearch, NoBytesMeanNoCopies) {
  auto options = at_once();
  options.bytes = 0;
  Rig rig(options);
  Random random(23);
  fill(rig, tenant("ada"), 500, random);
  for (int i = 0; i < 3; ++i) rig.expect_same(tenant("ada"), random.vector(), 24, {}, false);
  EXPECT_EQ(rig.database.rows_read, 0u);
}

// 4,200 rows that are equally near: their ids decide, and only the database knows the distances.
TEST(MatrixSearch, AFloodOfEqualRowsIsLeftToTheDatabase) {
  Rig rig;
  Random random(29);
  const auto owner = tenant("ada");
  auto chunks = random.chunks(4'200);
  const auto same = random.vector();
  for (auto& chunk : chunks) chunk.vector = same, chunk.expires_us = ports::MatrixRow::never_us;
  rig.database.put(owner, "flood", chunks);
  rig.database.put(owner, "other", random.chunks(100));
  rig.ask(owner, same);
  rig.expect_same(owner, same, 24, {}, false);
  ports::SearchFilter others;
  others.exclude = {"flood"};
  rig.expect_same(owner, same, 24, others, true);
}

TEST(MatrixSearch, RowsThatNobodyCountedOrThatHaveNoLengthAreLeftToTheDatabase) {
  Rig rig;
  Random random(31);
  const auto by_hand = tenant("by hand"), zero = tenant("zero");
  fill(rig, by_hand, 300, random);
  rig.database.change(by_hand, [](fakes::TenantChunks& all) { all.uncounted = 1; });
  auto chunks = random.chunks(300);
  chunks[7].vector.assign(rig_dimension, 0);
  chunks[7].expires_us = 0;
  rig.database.put(zero, "doc", chunks);
  for (int i = 0; i < 3; ++i) {
    rig.expect_same(by_hand, random.vector(), 24, {}, false);
    rig.expect_same(zero, random.vector(), 24, {}, false);
  }
  EXPECT_EQ(rig.metrics.tenants.Value(), 0);
}

// If the first lock failed and a load read another tenant's rows, the second lock still holds.
TEST(MatrixSearch, AnotherTenantsRowsInACopyAreNeverReturned) {
  Rig rig;
  Random random(37);
  const auto ada = tenant("ada"), bob = tenant("bob");
  fill(rig, ada, 200, random);
  fill(rig, bob, 200, random);
  rig.database.reads_of.emplace(ada, bob);
  for (int i = 0; i < 4; ++i) rig.expect_same(ada, random.vector(), 24, {}, false);
  EXPECT_EQ(rig.metrics.evicted_wrong.Value(), 3) << "each question after the first finds it wrong";
  EXPECT_EQ(rig.metrics.bytes.Value(), 0);
}

TEST(MatrixSearch, AnErasedTenantLeavesNothingInMemory) {
  Rig rig;
  Random random(41);
  for (const bool is_told : {true, false}) {
    const auto owner = tenant(is_told ? "told" : "not told");
    fill(rig, owner, 200, random);
    rig.ask(owner, random.vector());
    rig.expect_same(owner, random.vector(), 24, {});
    EXPECT_GT(rig.metrics.bytes.Value(), 0);
    rig.database.change(owner, [](fakes::TenantChunks& all) {
      all.chunks.clear();
      all.stamps.clear();
      all.erased = true;
    });
    if (is_told) rig.search.forget(owner);
    if (!is_told) {
      EXPECT_TRUE(rig.ask(owner, random.vector()).empty());
    }
    EXPECT_EQ(rig.metrics.bytes.Value(), 0) << is_told;
    EXPECT_EQ(rig.metrics.tenants.Value(), 0) << is_told;
  }
  EXPECT_EQ(rig.metrics.evicted_erased.Value(), 2);
}

TEST(MatrixSearch, WhoAsksWhileATenantIsReadGetsTheDatabasesAnswer) {
  Rig rig;
  Random random(43);
  const auto owner = tenant("ada");
  fill(rig, owner, 300, random);
  rig.ask(owner, random.vector());
  int nested = 0;
  rig.database.on_read = [&] {
    if (nested++ == 0) rig.expect_same(owner, random.vector(), 24, {}, false);
  };
  rig.ask(owner, random.vector());
  EXPECT_GT(nested, 0);
  rig.expect_same(owner, random.vector(), 24, {}, true);
}

TEST(MatrixSearch, WhatIsForgottenWhileItIsReadIsNotKept) {
  Rig rig;
  Random random(47);
  const auto owner = tenant("ada");
  fill(rig, owner, 300, random);
  rig.ask(owner, random.vector());
  rig.database.on_read = [&] { rig.search.forget(owner); };
  rig.ask(owner, random.vector());
  EXPECT_EQ(rig.metrics.tenants.Value(), 0);
  EXPECT_EQ(rig.metrics.bytes.Value(), 0);
}

TEST(MatrixSearch, StaysWithinItsBytesAndDropsWhatCostsMost) {
  auto options = at_once();
  options.bytes = 130'000;
  Rig rig(options);
  Random random(53);
  std::vector<crypto::Tenant> owners;
  for (int i = 0; i < 6; ++i) {
    owners.push_back(tenant("user " + std::to_string(i)));
    fill(rig, owners.back(), 350, random);
    rig.ask(owners.back(), random.vector());
  }
  for (int round = 0; round < 3; ++round)
    for (const auto& owner : owners) {
      rig.expect_same(owner, random.vector(), 24, {}, true);
      EXPECT_LE(rig.metrics.bytes.Value(), 130'000);
      EXPECT_GE(rig.metrics.tenants.Value(), 1);
    }
  EXPECT_GT(rig.metrics.evicted_for_room.Value(), 10);
  // Whoever is larger than all bytes is never read.
  const auto giant = tenant("giant");
  fill(rig, giant, 2'000, random);
  const auto before = rig.database.rows_read.load();
  for (int i = 0; i < 3; ++i) rig.expect_same(giant, random.vector(), 24, {}, false);
  EXPECT_EQ(rig.database.rows_read, before);
}

TEST(MatrixSearch, WhatIsInUseIsNotDroppedForANewcomer) {
  auto options = at_once();
  options.bytes = 70'000;
  options.kept_at_least = std::chrono::hours(1);
  Rig rig(options);
  Random random(59);
  const auto first = tenant("first"), second = tenant("second");
  for (const auto& owner : {first, second}) {
    fill(rig, owner, 350, random);
    rig.ask(owner, random.vector());
  }
  rig.expect_same(first, random.vector(), 24, {}, true);
  rig.expect_same(second, random.vector(), 24, {}, false);
  rig.expect_same(first, random.vector(), 24, {}, true);
  EXPECT_EQ(rig.metrics.evicted_for_room.Value(), 0);
}

// Questions, writes, evictions and erasures of copies at once: every answer is one tenant's own,
// complete and in order.
// As a standby behind its primary shows it.
TEST(MatrixSearch, AnOlderSnapshotDoesNotUndoANewerCopy) {
  Rig rig;
  Random random(61);
  const auto ada = tenant("ada");
  fill(rig, ada, 300, random);
  rig.ask(ada, random.vector());
  rig.expect_same(ada, random.vector(), 24, {}, true);
  const auto read = rig.database.rows_read.load();
  rig.database.change(ada, [](fakes::TenantChunks& all) { all.version -= 3; });
  rig.expect_same(ada, random.vector(), 24, {}, false);
  rig.database.change(ada, [](fakes::TenantChunks& all) { all.version += 1; });
  rig.expect_same(ada, random.vector(), 24, {}, true);
  EXPECT_EQ(rig.database.rows_read, read) << "the newer copy was there all the time";
}

// What a change brings counts before it is read, beside the copy that others still use.
TEST(MatrixSearch, AChangeThatFindsNoRoomIsLeftToTheDatabase) {
  auto options = at_once();
  options.bytes = 80'000;
  options.unfit_for = std::chrono::hours(1);
  Rig rig(options);
  Random random(67);
  const auto ada = tenant("ada");
  rig.database.put(ada, "one", random.chunks(400));
  rig.ask(ada, random.vector());
  rig.expect_same(ada, random.vector(), 24, {}, true);
  const auto read = rig.database.rows_read.load();
  rig.database.put(ada, "one", random.chunks(400));
  for (int i = 0; i < 3; ++i) rig.expect_same(ada, random.vector(), 24, {}, false);
  EXPECT_EQ(rig.database.rows_read, read);
  EXPECT_EQ(rig.metrics.bytes.Value(), 0) << "the older copy is of no more use";
}

TEST(MatrixSearch, AQuestionThatIsNoVectorIsLeftToTheDatabase) {
  Rig rig;
  Random random(71);
  const auto ada = tenant("ada");
  fill(rig, ada, 100, random);
  rig.ask(ada, random.vector());
  for (const float wrong : {70'000.0f, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    auto query = random.vector();
    query[3] = wrong;
    const auto before = rig.metrics.plan_exact.Value();
    rig.ask(ada, query);
    EXPECT_EQ(rig.metrics.plan_exact.Value() - before, 1) << wrong;
  }
}

TEST(MatrixSearch, ThreadsOfManyTenantsNeverSeeEachOther) {
  auto options = at_once();
  options.bytes = 150'000;
  Rig rig(options);
  Random setup(61);
  std::vector<crypto::Tenant> owners;
  for (int i = 0; i < 5; ++i) {
    owners.push_back(tenant("user " + std::to_string(i)));
    auto chunks = setup.chunks(400);
    for (auto& chunk : chunks) {
      chunk.tags = {"tag of " + std::to_string(i)};
      chunk.expires_us = ports::MatrixRow::never_us;
      if (chunk.vector.empty()) chunk.vector = setup.vector();
    }
    rig.database.put(owners.back(), "of " + std::to_string(i), std::move(chunks));
  }
  std::atomic<int> wrong = 0;
  const auto work = [&](unsigned seed) {
    Random random(seed);
    for (int round = 0; round < 40; ++round) {
      const auto which = random.below(owners.size());
      const auto mine = " " + std::to_string(which);
      if (round % 10 == 9) {
        auto chunks = random.chunks(30);
        for (auto& chunk : chunks) chunk.vector = random.vector();
        rig.database.put(owners[which], "more of" + mine, std::move(chunks));
      }
      if (round % 25 == 24) rig.search.forget(owners[which]);
      const auto found = rig.ask(owners[which], random.vector());
      bool sound = found.size() == 24;
      for (std::size_t i = 0; i < found.size(); ++i) {
        sound = sound && found[i].doc_id.ends_with(mine);
        if (i > 0) sound = sound && found[i - 1].distance <= found[i].distance;
      }
      if (!sound) ++wrong;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(rig.metrics.plan_matrix.Value(), 20);
  EXPECT_EQ(rig.metrics.evicted_wrong.Value(), 0);
  EXPECT_LE(rig.metrics.bytes.Value(), 150'000);
  EXPECT_GT(rig.metrics.evicted_for_room.Value(), 0);
}

}  // namespace
}  // namespace memseal::search
