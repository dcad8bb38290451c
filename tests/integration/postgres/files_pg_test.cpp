// The catalogue of files: quota, twins, counters, pages, and what a standby may not decide.
#include "adapters/postgres/file_catalog.hpp"
#include "support/pg.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <limits>
#include <thread>

namespace memseal::test {
namespace {

using ports::FileAdded;
using ports::FileRow;

class Files : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    catalog_ = std::make_unique<postgres::PgFileCatalog>(*pool_);
    owner_ = new_tenant();
  }

  static FileRow row(std::uint8_t name, std::uint8_t content, std::int64_t bytes = 10) {
    FileRow made;
    made.id = crypto::random_uuid();
    made.object = crypto::random_uuid();
    made.name_mac.bytes.fill(name);
    made.content.fill(content);
    made.facts_cipher = Bytes(40, 7);
    made.bytes = bytes;
    return made;
  }
  static Uuid tag(std::uint8_t fill) {
    Uuid made;
    made.bytes.fill(fill);
    return made;
  }
  ports::AddedFile add(FileRow added, ports::FileUse quota = {1'000, 100}) {
    return await(catalog_->add(context_, *owner_, std::move(added), quota));
  }
  std::vector<Uuid> listed(ports::FileListing listing) {
    std::vector<Uuid> ids;
    for (const auto& found : await(catalog_->list(context_, *owner_, std::move(listing))))
      ids.push_back(found.id);
    return ids;
  }
  std::string counters() {
    return database_->super("SELECT file_count || ' ' || file_bytes FROM app.tenants "
                            "WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  }

  std::unique_ptr<postgres::PgFileCatalog> catalog_;
  std::optional<crypto::Tenant> owner_;
};

TEST_F(Files, WhatIsAddedIsFoundAndRemovedByItsOwnerAlone) {
  const auto sent = row(1, 1);
  const auto added = add(sent);
  ASSERT_EQ(added.outcome, FileAdded::added);
  const auto found = await(catalog_->find(context_, *owner_, sent.id));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->object, sent.object);
  EXPECT_EQ(found->name_mac, sent.name_mac);
  EXPECT_EQ(found->content, sent.content);
  EXPECT_EQ(found->facts_cipher, sent.facts_cipher);
  EXPECT_EQ(found->created_at_us, added.row.created_at_us);
  EXPECT_TRUE(await(catalog_->names_object(context_, *owner_, sent.object)));
  EXPECT_FALSE(await(catalog_->names_object(context_, *owner_, sent.id)));
  const auto bob = new_tenant();
  EXPECT_FALSE(await(catalog_->find(context_, bob, sent.id)));
  EXPECT_FALSE(await(catalog_->find_now(context_, bob, sent.id)));
  EXPECT_FALSE(await(catalog_->names_object(context_, bob, sent.object)));
  EXPECT_FALSE(await(catalog_->remove(context_, bob, sent.id)));
  EXPECT_FALSE(await(catalog_->replace_object(context_, bob, sent.id, sent.object, sent.id)));
  EXPECT_EQ(counters(), "1 10");
  EXPECT_TRUE(await(catalog_->remove(context_, *owner_, sent.id)));
  EXPECT_FALSE(await(catalog_->remove(context_, *owner_, sent.id)));
  EXPECT_EQ(counters(), "0 0");
}

TEST_F(Files, ATwinIsFoundBeforeTheQuotaIsJudged) {
  const auto first = row(1, 1, 900);
  add(first);
  const auto twin = add(row(1, 1, 900), {900, 1});
  EXPECT_EQ(twin.outcome, FileAdded::twin);
  EXPECT_EQ(twin.row.id, first.id);
  auto same_id = row(2, 2);
  same_id.id = first.id;
  EXPECT_EQ(add(same_id).outcome, FileAdded::id_taken);
  const auto over = add(row(1, 2, 101));
  EXPECT_EQ(over.outcome, FileAdded::over_quota);
  EXPECT_EQ(over.use.bytes, 900);
  EXPECT_EQ(add(row(1, 2, 100)).outcome, FileAdded::added);
  EXPECT_EQ(add(row(1, 3, 0), {1'000, 2}).outcome, FileAdded::over_quota);
  const auto room = await(catalog_->room(context_, *owner_, first.name_mac));
  EXPECT_EQ(room.use.bytes, 1'000);
  EXPECT_EQ(room.use.files, 2);
  EXPECT_EQ(room.namesake_bytes, 900);
  EXPECT_FALSE(await(catalog_->room(context_, *owner_, tag(9))).namesake_bytes);
  EXPECT_EQ(await(catalog_->room(context_, new_tenant(), tag(9))).use.files, 0);
}

TEST_F(Files, AnObjectIsReplacedOnceForWhoSawIt) {
  const auto sent = row(1, 1);
  add(sent);
  EXPECT_TRUE(await(catalog_->replace_object(context_, *owner_, sent.id, sent.object, tag(5))));
  EXPECT_FALSE(await(catalog_->replace_object(context_, *owner_, sent.id, sent.object, tag(6))));
  EXPECT_EQ(await(catalog_->find(context_, *owner_, sent.id))->object, tag(5));
}

// Two processes, each with a pool of its own: neither may take the other's room, nor wait for ever.
TEST_F(Files, ManyAtOneTimeKeepTheQuotaAndTheCounters) {
  std::vector<std::jthread> threads;
  std::atomic<int> added{0};
  for (std::uint8_t worker = 0; worker < 3; ++worker)
    threads.emplace_back([this, worker, &added] {
      asio::io_context loop{1};
      const auto pool = make_pool(1);
      const auto wait_for = [&loop]<class T>(asio::awaitable<T> work) {
        std::optional<T> result;
        run_to_end(loop, [](asio::awaitable<T> given, std::optional<T>& out)
                             -> asio::awaitable<void> {
          out.emplace(co_await std::move(given));
        }(std::move(work), result));
        return std::move(*result);
      };
      postgres::PgFileCatalog catalog(*pool);
      for (std::uint8_t i = 0; i < 15; ++i) {
        const auto sent = row(worker, i, 100);
        const auto seen = wait_for(catalog.add(context_, *owner_, sent, {1'000, 100}));
        if (seen.outcome != FileAdded::added) continue;
        ++added;
        if (i % 3 == 0 && wait_for(catalog.remove(context_, *owner_, sent.id))) --added;
      }
    });
  threads.clear();
  EXPECT_EQ(added, 10);
  EXPECT_EQ(counters(), "10 1000");
}

TEST_F(Files, ListsAreNewestFirstAndHaveFilters) {
  std::vector<FileRow> sent;
  for (std::uint8_t i = 0; i < 5; ++i) {
    auto made = row(i, i);
    made.tag_macs = {tag(100), tag(i)};
    sent.push_back(add(made).row);
  }
  const auto all = listed({});
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all.front(), sent[4].id);
  ports::FileListing page{.rows_max = 2};
  page.after = ports::FileMark{sent[3].created_at_us, sent[3].id};
  EXPECT_EQ(listed(page), (std::vector<Uuid>{sent[2].id, sent[1].id}));
  EXPECT_EQ(listed({.tag_macs = {tag(100), tag(2)}}), (std::vector<Uuid>{sent[2].id}));
  EXPECT_TRUE(listed({.tag_macs = {tag(99)}}).empty());
  EXPECT_EQ(listed({.from_us = sent[3].created_at_us}).size(), 2u);
  EXPECT_EQ(listed({.until_us = sent[3].created_at_us}).size(), 3u);
  EXPECT_TRUE(listed({.from_us = std::numeric_limits<std::int64_t>::max()}).empty());
}

TEST_F(Files, TheFirstClaimOfAStoreStays) {
  const auto first = await(catalog_->claim_store(context_, *owner_, tag(1)));
  EXPECT_EQ(first.store, tag(1));
  EXPECT_FALSE(first.used);
  await(catalog_->mark_store_used(context_, *owner_));
  const auto second = await(catalog_->claim_store(context_, *owner_, tag(2)));
  EXPECT_EQ(second.store, tag(1));
  EXPECT_TRUE(second.used);
}

// A session of a standby can read only: what decides about removal must not run on one.
TEST_F(Files, WhatARemovalRestsOnIsAskedOfAWritableDatabase) {
  const auto sent = row(1, 1);
  add(sent);
  postgres::PoolOptions options;
  options.dsn = database_->app_dsn() + " options='-c default_transaction_read_only=on'";
  options.connections = 1;
  postgres::Pool standby(std::move(options), counts_);
  postgres::PgFileCatalog catalog(standby);
  EXPECT_TRUE(await(catalog.find(context_, *owner_, sent.id)));
  EXPECT_THROW(await(catalog.names_object(context_, *owner_, sent.object)), Failure);
  EXPECT_THROW(await(catalog.find_now(context_, *owner_, sent.id)), Failure);
}

}  // namespace
}  // namespace memseal::test
