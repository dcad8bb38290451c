// What goes wrong between the store and the catalogue: damaged twins, removals beside readers,
// sweeps beside uploads, a store that is not the one of the database.
#include "support.hpp"

namespace memseal::knowledge {
namespace {

constexpr std::int64_t orphan_ms = std::chrono::milliseconds(orphan_age).count();

TEST_F(KnowledgeTest, ATwinWhoseContentIsDamagedGetsTheNewOne) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(100'000);
    const auto first = co_await t.upload(bytes, "a");
    for (int round = 0; round < 2; ++round) {
      auto& object = t.store.objects.begin()->second.bytes;
      if (round == 0) object.back() ^= 1;  // the final frame
      if (round == 1) t.store.objects.clear();
      const auto broken = co_await t.code_of_reading(first->file.id);
      EXPECT_EQ(broken, Errc::open_failed);
      const auto again = co_await t.upload(bytes, "a");
      EXPECT_TRUE(again && !again->is_new);
      EXPECT_EQ(again->file.id, first->file.id);
      const auto read = co_await t.read(first->file.id, 0, bytes.size());
      EXPECT_EQ(read, bytes);
      EXPECT_EQ(t.store.objects.size(), 1u) << "the damaged object goes";
    }
    EXPECT_EQ(t.metrics.taken_repaired.Value(), 2);
  }(*this));
}

// No look at its ends shows it.
TEST_F(KnowledgeTest, ATwinThatIsDamagedInItsMiddleGetsTheNewOne) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(1'000'000);
    const auto first = co_await t.upload(bytes, "a");
    auto& object = t.store.objects.begin()->second.bytes;
    object[object.size() / 2] ^= 1;
    const auto again = co_await t.upload(bytes, "a");
    EXPECT_TRUE(again && again->file.id == first->file.id);
    const auto read = co_await t.read(first->file.id, 0, bytes.size());
    EXPECT_EQ(read, bytes);
    EXPECT_EQ(t.store.objects.size(), 1u);
  }(*this));
}

TEST_F(KnowledgeTest, ATwinNeedsNoRoomAndNoKeyOfItsOwn) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto first = co_await t.upload(content(1'000), "a");
    t.deps.limits = {.file_bytes_max = 1'000, .quota = {1'000, 1}};
    const auto retried = co_await t.upload(content(1'000), "a", 1'000);
    EXPECT_TRUE(retried && retried->file.id == first->file.id);
    const auto larger = co_await t.upload(content(1'000), "b", 1'000);
    EXPECT_EQ(larger.error().code, Errc::payload_too_large);
    const auto changed = co_await t.upload(content(1'000, 4), "a", 1'000);
    EXPECT_EQ(changed.error().code, Errc::payload_too_large) << "it was no twin after all";
    EXPECT_EQ(t.store.objects.size(), 1u);
  }(*this));
}

// The hash has a key of its own, so a tenant whose content key was replaced keeps his files once.
TEST_F(KnowledgeTest, ATwinIsKnownAfterTheTenantsKeyWasReplaced) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto first = co_await t.upload(content(10), "a");
    t.keys.sealing_id = 2;
    const auto again = co_await t.upload(content(10), "a");
    EXPECT_TRUE(again && again->file.id == first->file.id);
  }(*this));
}

UploadRequest keyed(std::string key) {
  auto asked = KnowledgeTest::request("a");
  asked.key = std::move(key);
  return asked;
}

TEST_F(KnowledgeTest, AKeyOfARequestIsOneFile) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto first = co_await t.upload(content(10), keyed("k1"));
    const auto again = co_await t.upload(content(10), keyed("k1"));
    EXPECT_TRUE(again && again->file.id == first->file.id && !again->is_new);
    const auto other = co_await t.upload(content(20), keyed("k1"));
    EXPECT_EQ(other.error().code, Errc::invalid_field);
    EXPECT_EQ(other.error().field, "Idempotency-Key");
    EXPECT_EQ(t.store.objects.size(), 1u);
  }(*this));
}

// A client may join parts that have the same version.
TEST_F(KnowledgeTest, AnotherContentUnderTheSameIdIsAnotherVersion) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto first = co_await t.upload(content(10), keyed("k1"));
    co_await remove_file(t.deps, t.context, t.tenant(), first->file.id);
    const auto other = co_await t.upload(content(10, 4), keyed("k1"));
    EXPECT_EQ(other->file.id, first->file.id);
    EXPECT_NE(other->file.version, first->file.version);
    co_await remove_file(t.deps, t.context, t.tenant(), first->file.id);
    const auto again = co_await t.upload(content(10), keyed("k1"));
    EXPECT_EQ(again->file.version, first->file.version);
    const auto elsewhere = co_await t.upload(content(10), "b");
    EXPECT_NE(elsewhere->file.version, first->file.version);
  }(*this));
}

TEST_F(KnowledgeTest, AFileThatAStandbyLacksIsFound) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    t.catalog.lags = true;
    const auto found = co_await find_file(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_TRUE(found);
    const auto read = co_await t.read(taken->file.id, 0, 10);
    EXPECT_EQ(read, content(10));
    co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    const auto gone = co_await find_file(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_FALSE(gone);
  }(*this));
}

// The client would delete its own copy.
TEST_F(KnowledgeTest, WhatCannotBeReadBackIsNotStored) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const std::vector<std::size_t> ends{10, 270'000}, inside{30'000, 100'000, 170'000, 230'000};
    for (int round = 0; round < 2; ++round) {
      t.store.rot = round == 0 ? ends : inside;
      Errc seen{};
      try {
        co_await t.upload(content(270'000), "a");
      } catch (const Failure& failed) {
        seen = failed.error().code;
      }
      EXPECT_EQ(seen, Errc::unavailable);
      EXPECT_TRUE(t.store.objects.empty() && t.catalog.of[t.tenant()].empty());
    }
    EXPECT_EQ(t.metrics.damaged.Value(), 2);
    t.store.rot.clear();
    const auto taken = co_await t.upload(content(270'000), "a");
    EXPECT_TRUE(taken && taken->is_new);
  }(*this));
}

TEST_F(KnowledgeTest, AContentThatIsNotTheOneAnnouncedIsRefused) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(100'000);
    const auto digest = crypto::sha256(bytes);
    auto asked = request("a");
    asked.facts.sha256 = to_hex(digest.data(), digest.size());
    auto changed = asked;
    const auto refused = co_await t.upload(content(100'000, 4), std::move(changed));
    EXPECT_EQ(refused.error().field, "Content-Digest");
    EXPECT_TRUE(t.store.objects.empty() && t.store.open == 0);
    const auto taken = co_await t.upload(bytes, asked);
    const auto found = co_await find_file(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_EQ(found->facts.sha256, asked.facts.sha256);
  }(*this));
}

TEST_F(KnowledgeTest, AFileThatGoesWhileItIsOpenedIsNotFound) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    t.catalog.after_find = [&t] {
      t.catalog.of[t.tenant()].clear();
      t.store.objects.clear();
    };
    const auto reading = co_await Reading::begin(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_FALSE(reading);
    EXPECT_EQ(t.metrics.damaged.Value(), 0);
  }(*this));
}

TEST_F(KnowledgeTest, AFileThatIsRepairedWhileItIsOpenedIsRead) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(10);
    const auto taken = co_await t.upload(bytes, "a");
    const auto other = co_await t.upload(bytes, "b");
    t.catalog.after_find = [&t] {
      auto& rows = t.catalog.of[t.tenant()];
      t.store.objects.erase({t.tenant().hash(), {rows[0].content, rows[0].object}});
      rows[0].object = rows[1].object;
    };
    const auto read = co_await t.read(taken->file.id, 0, 10);
    EXPECT_EQ(read, bytes);
  }(*this));
}

TEST_F(KnowledgeTest, ADownloadOfARemovedFileEndsWithoutAnAlarm) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(3'000'000), "a");
    auto reading = co_await Reading::begin(t.deps, t.context, t.tenant(), taken->file.id);
    co_await (*reading)->read(t.context, 0, 10);
    co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    Errc seen{};
    try {
      co_await (*reading)->read(t.context, 2'000'000, 10);
    } catch (const Failure& failed) {
      seen = failed.error().code;
    }
    EXPECT_EQ(seen, Errc::not_found);
    EXPECT_EQ(t.metrics.damaged.Value(), 0);
  }(*this));
}

TEST_F(KnowledgeTest, ADownloadEndsOnceTheTenantIsErased) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(3'000'000), "a");
    auto reading = co_await Reading::begin(t.deps, t.context, t.tenant(), taken->file.id);
    t.keys.erased.insert(t.tenant());
    t.catalog.of[t.tenant()].clear();
    Errc seen{};
    try {
      co_await (*reading)->read(t.context, 0, 10);
    } catch (const Failure& failed) {
      seen = failed.error().code;
    }
    EXPECT_EQ(seen, Errc::not_found);
  }(*this));
}

TEST_F(KnowledgeTest, AnErasedTenantLeavesNoObjectBehind) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    t.catalog.erased = true;
    Errc seen{};
    try {
      co_await t.upload(content(10), "a");
    } catch (const Refused& failed) {
      seen = failed.error().code;
    }
    EXPECT_EQ(seen, Errc::tenant_erased);
    EXPECT_TRUE(t.store.objects.empty());
  }(*this));
}

TEST_F(KnowledgeTest, ARefusalIsToldAlsoWhereItsObjectStays) {
  deps.limits = {.file_bytes_max = 1'000, .quota = {1'500, 10}};
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    t.catalog.before_add = [&t] {
      t.store.full = true;
      ports::FileRow other;
      other.bytes = 1'500;
      t.catalog.of[t.tenant()].push_back(other);
    };
    const auto refused = co_await t.upload(content(10), "a");
    EXPECT_EQ(refused.error().code, Errc::payload_too_large);
  }(*this));
}

TEST_F(KnowledgeTest, TheSweepTakesObjectsWithoutARowAndLeavesYoungOnes) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    co_await claim_store(t.deps, t.tenants, t.context);
    co_await t.upload(content(10), "kept");
    t.catalog.failures = 1;
    bool failed = false;
    try {
      co_await t.upload(content(20), "lost");
    } catch (const Outage&) {
      failed = true;
    }
    EXPECT_TRUE(failed);
    EXPECT_EQ(t.store.objects.size(), 2u);
    const auto young = co_await sweep(t.deps, t.tenants, t.context, t.store.now_ms + orphan_ms);
    EXPECT_EQ(young.orphans, 0u);
    const auto old = co_await sweep(t.deps, t.tenants, t.context, t.store.now_ms + orphan_ms + 1);
    EXPECT_EQ(old.orphans, 1u);
    EXPECT_EQ(t.store.objects.size(), 1u);
  }(*this));
}

// A machine that slept between the object and its row: no clock helps, the lock does.
TEST_F(KnowledgeTest, TheSweepLeavesWhatAnUploadStillHolds) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    co_await claim_store(t.deps, t.tenants, t.context);
    auto held = co_await t.store.begin(t.context, t.tenant());
    const ports::FileKey object{{}, crypto::random_uuid()};
    co_await held->commit(t.context, object);
    const auto late = t.store.now_ms + 10 * orphan_ms;
    const auto beside = co_await sweep(t.deps, t.tenants, t.context, late);
    EXPECT_EQ(beside.orphans, 0u);
    held.reset();
    const auto after = co_await sweep(t.deps, t.tenants, t.context, late);
    EXPECT_EQ(after.orphans, 1u);
  }(*this));
}

TEST_F(KnowledgeTest, AnIntakeHoldsItsObjectUntilItsRowIsThere) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    std::size_t locked = 0;
    t.catalog.before_add = [&t, &locked] { locked = t.store.locked.size(); };
    co_await t.upload(content(10), "a");
    EXPECT_EQ(locked, 1u);
    EXPECT_TRUE(t.store.locked.empty());
  }(*this));
}

TEST_F(KnowledgeTest, ATenantWhoseSweepFailsStopsNoOther) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    co_await claim_store(t.deps, t.tenants, t.context);
    for (const auto* user : {"a", "b", "c"})
      t.store.objects[{t.tenant(user).hash(), {}}] = {Bytes(1), t.store.now_ms};
    t.store.unheld.insert(t.store.objects.begin()->first.first);
    t.store.unfinished = 2;
    const auto swept =
        co_await sweep(t.deps, t.tenants, t.context, t.store.now_ms + 2 * orphan_ms);
    EXPECT_EQ(swept.failures, 1u);
    EXPECT_EQ(swept.orphans, 2u);
    EXPECT_EQ(swept.unfinished, 2u);
  }(*this));
}

class WrongStore : public KnowledgeTest {
 public:
  asio::awaitable<std::string> message_of_sweep() {
    std::string message;
    try {
      co_await sweep(deps, tenants, context, store.now_ms + 2 * orphan_ms);
    } catch (const Refused& refused) {
      message = refused.error().message;
    }
    co_return message;
  }
};

TEST_F(WrongStore, IsRefusedAndNotSwept) {
  run([](WrongStore& t) -> asio::awaitable<void> {
    co_await claim_store(t.deps, t.tenants, t.context);
    co_await claim_store(t.deps, t.tenants, t.context);
    t.store.objects[{t.tenant().hash(), {}}] = {Bytes(1), t.store.now_ms};
    t.store.unfinished = 1;
    // The database of another deployment, or one that was made again.
    t.catalog.claim = ports::StoreClaim{crypto::random_uuid(), true};
    const auto foreign = co_await t.message_of_sweep();
    EXPECT_NE(foreign.find("do not belong together"), std::string::npos) << foreign;
    t.catalog.claim = std::nullopt;
    const auto anew = co_await t.message_of_sweep();
    EXPECT_NE(anew.find("do not belong together"), std::string::npos) << anew;
    // A disk that is not mounted.
    t.catalog.claim->used = true;
    t.store.marked = std::nullopt;
    const auto unmounted = co_await t.message_of_sweep();
    EXPECT_NE(unmounted.find("is not there"), std::string::npos) << unmounted;
    EXPECT_FALSE(t.store.marked);
    EXPECT_EQ(t.store.objects.size(), 1u);
    EXPECT_EQ(t.store.unfinished, 1u);
  }(*this));
}

}  // namespace
}  // namespace memseal::knowledge
