#include "cases/knowledge/files.hpp"

#include "cases/knowledge/intake.hpp"
#include "cases/knowledge/reading.hpp"
#include "fakes/file_catalog.hpp"
#include "fakes/file_store.hpp"
#include "fakes/tenant_keys.hpp"
#include "pure/crypto/keyring.hpp"
#include "support/run_loop.hpp"
#include "support/test_key.hpp"

#include <gtest/gtest.h>

namespace memseal::knowledge {
namespace {

class KnowledgeTest : public ::testing::Test {
 public:
  crypto::Keyring keyring = crypto::Keyring::from_keys(test::test_key_hex(1), test::test_key_hex(2),
                                                       test::test_key_hex(3))
                                .value();
  crypto::TenantKeyer tenants = keyring.tenant_keyer();
  crypto::IdDeriver ids = keyring.id_deriver();
  fakes::FileStore store;
  fakes::FileCatalog catalog;
  fakes::TenantKeys keys;
  KnowledgeDeps deps{store, catalog, keys, ids, {}};
  const runtime::RequestContext context{"test"};

  crypto::Tenant tenant(const std::string& user = "ada") const {
    return tenants.tenant_of(UserId::parse(user).value());
  }

  static Bytes content(std::size_t size, std::uint8_t seed = 3) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256 + seed);
    return bytes;
  }

  asio::awaitable<Result<TakenFile>> upload(Bytes bytes, std::string name,
                                            std::optional<std::uint64_t> length = {}) {
    FileFacts facts{std::move(name), "application/pdf", {"work"}};
    auto intake = co_await Intake::begin(deps, context, tenant(), std::move(facts), length);
    if (!intake) co_return intake.error();
    for (ByteView rest = bytes; !rest.empty();) {
      const auto piece = rest.first(std::min<std::size_t>(rest.size(), 80'000));
      auto taken = co_await (*intake)->take(context, piece);
      if (!taken) co_return taken.error();
      rest = rest.subspan(piece.size());
    }
    co_return co_await (*intake)->finish(context);
  }

  asio::awaitable<Bytes> read(Uuid id, std::uint64_t from, std::uint64_t to) {
    auto reading = co_await Reading::begin(deps, context, tenant(), id);
    Bytes all;
    while (reading && from < to) {
      const auto piece =
          co_await (*reading)->read(context, from, static_cast<std::size_t>(to - from));
      all.insert(all.end(), piece.begin(), piece.end());
      from += piece.size();
    }
    co_return all;
  }

  static void run(asio::awaitable<void> work) { test::run(std::move(work)); }
};

TEST_F(KnowledgeTest, AFileIsReadAsItWasSent) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(3'000'000);
    const auto taken = co_await t.upload(bytes, "report.pdf");
    EXPECT_TRUE(taken && taken->is_new);
    EXPECT_EQ(taken->file.name, "report.pdf");
    EXPECT_EQ(taken->file.bytes, 3'000'000);
    const auto whole = co_await t.read(taken->file.id, 0, 3'000'000);
    EXPECT_EQ(whole, bytes);
    for (const std::uint64_t from : {0u, 1u, 65'535u, 65'536u, 1'999'999u, 2'999'999u}) {
      const auto to = std::min<std::uint64_t>(from + 70'000, 3'000'000);
      const auto part = co_await t.read(taken->file.id, from, to);
      EXPECT_EQ(part, Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                            bytes.begin() + static_cast<std::ptrdiff_t>(to)));
    }
    // The parts that wait do not grow with the file.
    EXPECT_LT(t.store.part_bytes_max, 1'300'000u);
    EXPECT_EQ(t.store.open, 0);
  }(*this));
}

TEST_F(KnowledgeTest, AnEmptyFileIsOneToo) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(0), "empty");
    EXPECT_TRUE(taken);
    auto reading = co_await Reading::begin(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_TRUE(reading);
    EXPECT_EQ((*reading)->file().bytes, 0);
  }(*this));
}

TEST_F(KnowledgeTest, NameAndContentAreNowhereInTheClear) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const std::string canary = "CANARY-report";
    Bytes bytes;
    for (int i = 0; i < 10'000; ++i) bytes.insert(bytes.end(), canary.begin(), canary.end());
    co_await t.upload(bytes, canary);
    const auto has = [&canary](const Bytes& in) {
      return std::string(in.begin(), in.end()).find(canary) != std::string::npos;
    };
    for (const auto& [name, object] : t.store.objects) EXPECT_FALSE(has(object.bytes));
    for (const auto& row : t.catalog.of[t.tenant()]) EXPECT_FALSE(has(row.name_cipher));
  }(*this));
}

TEST_F(KnowledgeTest, TheSameContentUnderTheSameNameIsTheFileThatIsThere) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto first = co_await t.upload(content(1'000), "a");
    const auto again = co_await t.upload(content(1'000), "a");
    const auto renamed = co_await t.upload(content(1'000), "b");
    const auto changed = co_await t.upload(content(1'000, 4), "a");
    EXPECT_EQ(first->file.id, again->file.id);
    EXPECT_FALSE(again->is_new);
    EXPECT_TRUE(renamed->is_new && changed->is_new);
    EXPECT_EQ(t.store.objects.size(), 3u);
  }(*this));
}

TEST_F(KnowledgeTest, OfAnotherUserIsNoFile) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    const auto id = taken->file.id;
    const auto found = co_await find_file(t.deps, t.context, t.tenant("bob"), id);
    const auto reading = co_await Reading::begin(t.deps, t.context, t.tenant("bob"), id);
    const auto removed = co_await remove_file(t.deps, t.context, t.tenant("bob"), id);
    const auto page = co_await list_files(t.deps, t.context, t.tenant("bob"), std::nullopt, 10);
    EXPECT_FALSE(found || reading || removed || !page.files.empty());
  }(*this));
}

TEST_F(KnowledgeTest, ARemovedFileIsGoneWithItsObject) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    const auto removed = co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    const auto again = co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_TRUE(removed);
    EXPECT_FALSE(again);
    EXPECT_TRUE(t.store.objects.empty());
  }(*this));
}

TEST_F(KnowledgeTest, PagesHoldEveryFileOnce) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    for (int i = 0; i < 7; ++i) co_await t.upload(content(10), "file" + std::to_string(i));
    std::vector<std::string> names;
    std::optional<ports::FileMark> after;
    do {
      auto page = co_await list_files(t.deps, t.context, t.tenant(), after, 3);
      EXPECT_LE(page.files.size(), 3u);
      for (const auto& file : page.files) names.push_back(file.name);
      after = page.next;
    } while (after);
    EXPECT_EQ(names, (std::vector<std::string>{"file6", "file5", "file4", "file3", "file2", "file1",
                                               "file0"}));
  }(*this));
}

TEST_F(KnowledgeTest, WhatHasNoRoomIsRefusedAndLeavesNothing) {
  deps.limits = {1'000, {2'500, 3}};
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto announced = co_await t.upload(content(10), "a", 1'001);
    const auto sent = co_await t.upload(content(1'001), "a");
    EXPECT_EQ(announced.error().code, Errc::payload_too_large);
    EXPECT_EQ(sent.error().message, "a file has at most 1000 bytes");
    co_await t.upload(content(1'000), "a");
    co_await t.upload(content(1'000), "b");
    const auto over = co_await t.upload(content(501), "c");
    EXPECT_EQ(over.error().message,
              "the file does not fit your quota: 500 bytes and 1 files are left; delete files to "
              "make room");
    const auto last = co_await t.upload(content(500), "c");
    EXPECT_TRUE(last);
    const auto one_more = co_await t.upload(content(0), "d");
    EXPECT_EQ(one_more.error().code, Errc::payload_too_large);
    EXPECT_EQ(t.store.objects.size(), 3u);
    EXPECT_EQ(t.store.open, 0);
  }(*this));
}

// Two uploads that both saw the room: the second one to end is refused.
TEST_F(KnowledgeTest, TheQuotaHoldsForUploadsAtOneTime) {
  deps.limits = {1'000, {1'500, 10}};
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(1'000);
    FileFacts one{"a", "x/y", {}}, two{"b", "x/y", {}};
    auto first = co_await Intake::begin(t.deps, t.context, t.tenant(), one, std::nullopt);
    auto second = co_await Intake::begin(t.deps, t.context, t.tenant(), two, std::nullopt);
    co_await (*first)->take(t.context, bytes);
    co_await (*second)->take(t.context, bytes);
    const auto added = co_await (*first)->finish(t.context);
    const auto refused = co_await (*second)->finish(t.context);
    EXPECT_TRUE(added);
    EXPECT_EQ(refused.error().code, Errc::payload_too_large);
    EXPECT_EQ(t.store.objects.size(), 1u);
  }(*this));
}

TEST_F(KnowledgeTest, ADamagedOrMissingObjectIsAnErrorBeforeTheFirstByte) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(100'000), "a");
    auto& object = t.store.objects.begin()->second.bytes;
    const auto code = [&t, id = taken->file.id]() -> asio::awaitable<Errc> {
      Errc seen{};
      try {
        co_await Reading::begin(t.deps, t.context, t.tenant(), id);
      } catch (const Failure& failed) {
        seen = failed.error().code;
      }
      co_return seen;
    };
    object.back() ^= 1;
    const auto flipped = co_await code();
    object.back() ^= 1;
    object.resize(object.size() - 1);
    const auto cut = co_await code();
    t.store.objects.clear();
    const auto missing = co_await code();
    EXPECT_EQ(flipped, Errc::open_failed);
    EXPECT_EQ(cut, Errc::open_failed);
    EXPECT_EQ(missing, Errc::open_failed);
  }(*this));
}

TEST_F(KnowledgeTest, TheSweepTakesObjectsWithoutARowAndLeavesYoungOnes) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
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
    const auto young = co_await sweep(t.deps, t.tenants, t.context, 1'000);
    EXPECT_EQ(young.orphans, 0u);
    const auto old = co_await sweep(t.deps, t.tenants, t.context, 1'001);
    EXPECT_EQ(old.orphans, 1u);
    EXPECT_EQ(t.store.objects.size(), 1u);
  }(*this));
}

TEST_F(KnowledgeTest, AFileIsGoneForItsOwnerAlsoWhereTheStoreFails) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    t.store.full = true;
    const auto removed = co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    const auto found = co_await find_file(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_TRUE(removed);
    EXPECT_FALSE(found);
  }(*this));
}

}  // namespace
}  // namespace memseal::knowledge
