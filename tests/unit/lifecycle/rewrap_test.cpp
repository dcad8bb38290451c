#include "cases/lifecycle/rewrap.hpp"

#include "base/result.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>

namespace memseal::lifecycle {
namespace {

/// Rows in memory.
class Table final : public ports::KeyTable {
 public:
  std::map<std::uint32_t, std::int64_t> count_by_epoch() override {
    std::map<std::uint32_t, std::int64_t> counts;
    for (const auto& row : rows) ++counts[row.key.kek_epoch];
    return counts;
  }
  std::vector<Row> read(std::optional<std::uint32_t> not_epoch, const std::optional<Place>& after,
                        std::size_t rows_max) override {
    std::vector<Row> found;
    for (const auto& row : rows) {
      const bool later = !after || std::tie(row.owner, row.key.key_id) >
                                       std::tie(after->owner, after->key_id);
      if (later && row.key.kek_epoch != not_epoch && found.size() < rows_max) found.push_back(row);
    }
    return found;
  }
  std::int64_t replace(const std::vector<Change>& changes) override {
    if (before_replace) before_replace();
    ++batches;
    if (is_elsewhere) return 0;
    std::int64_t changed = 0;
    for (const auto& change : changes)
      for (auto& row : rows)
        if (row.owner == change.before.owner && row.key.key_id == change.before.key.key_id &&
            row.key.kek_epoch == change.before.key.kek_epoch)
          row.key = change.after, ++changed;
    return changed;
  }
  /// REQUIRES: no row has this key's place.
  void add(const crypto::Tenant& owner, crypto::WrappedKey key) {
    rows.push_back({owner.hash(), std::move(key)});
    std::ranges::sort(rows, {},
                      [](const Row& row) { return std::pair(row.owner, row.key.key_id); });
  }

  std::vector<Row> rows;
  std::function<void()> before_replace;
  int batches = 0;
  bool is_elsewhere = false;  ///< what is written goes to another database
};

Errc outage_code(const std::function<void()>& work) {
  try {
    work();
  } catch (const Failure& failed) {
    return failed.error().code;
  }
  return Errc::internal;
}

class Rewrap : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(crypto::Keyring::create(file_));
    const auto before = crypto::Keyring::load(file_).value();
    for (int user = 0; user < 25; ++user) table_.add(tenant(user), made(before, user));
    ASSERT_EQ(crypto::Keyring::stage(file_, crypto::RootKey::kek).value(), 2u);
    ASSERT_TRUE(crypto::Keyring::promote(file_, crypto::RootKey::kek, 2));
    before_.emplace(crypto::Keyring::load(file_).value());
  }
  crypto::Tenant tenant(int user) const {
    return crypto::Keyring::load(file_).value().tenant_keyer().tenant_of(
        UserId::parse("user-" + std::to_string(user)).value());
  }
  crypto::WrappedKey made(const crypto::Keyring& keyring, int user) const {
    return keyring.make_tenant_key(tenant(user), 1).value();
  }

  const test::TempDirectory folder_;
  const std::filesystem::path file_ = folder_ / "keyring";
  Table table_;
  std::optional<crypto::Keyring> before_;
  const crypto::Keyring& keyring() const { return *before_; }
};

TEST_F(Rewrap, WrapsEveryKeyInBatchesAndChangesNone) {
  const auto before = table_.rows;
  std::vector<std::int64_t> told;
  const auto done =
      rewrap_keys(table_, keyring(), [&](std::int64_t keys) { told.push_back(keys); }, 10);
  EXPECT_EQ(done.sound, 25);
  EXPECT_EQ(done.unopened, 0);
  EXPECT_EQ(told, (std::vector<std::int64_t>{10, 20, 25}));
  EXPECT_EQ(table_.count_by_epoch(), (std::map<std::uint32_t, std::int64_t>{{2, 25}}));
  for (std::size_t row = 0; row < before.size(); ++row) {
    const auto owner = keyring().tenant_keyer().tenant_of_hash(before[row].owner);
    EXPECT_EQ(table_.rows[row].key.check, before[row].key.check);
    EXPECT_TRUE(std::ranges::equal(keyring().unwrap(owner, table_.rows[row].key)->key.view(),
                                   keyring().unwrap(owner, before[row].key)->key.view()));
  }
  EXPECT_EQ(rewrap_keys(table_, keyring(), {}).sound, 0) << "there is nothing left to do";
}

TEST_F(Rewrap, GoesOnWhereAnEarlierOneEnded) {
  const auto end_after_two = [](std::int64_t keys) {
    if (keys >= 20) throw_failure({Errc::unavailable, "the process is gone"});
  };
  EXPECT_THROW(rewrap_keys(table_, keyring(), end_after_two, 10), Outage);
  EXPECT_EQ(table_.count_by_epoch(), (std::map<std::uint32_t, std::int64_t>{{1, 5}, {2, 20}}));
  EXPECT_EQ(rewrap_keys(table_, keyring(), {}, 10).sound, 5);
  EXPECT_EQ(verify_keys(table_, keyring(), {}).sound, 25);
}

TEST_F(Rewrap, FindsKeysThatAnOldProcessAddsMeanwhile) {
  const auto old = crypto::Keyring::load(file_).value();
  std::uint32_t added = 1;
  // Behind the place of the walk as before it, by the KEK of before.
  table_.before_replace = [&] {
    if (added > 3) return;
    auto key = table_.rows.front().key;
    key.key_id = ++added;
    key.kek_epoch = 1;
    table_.add(keyring().tenant_keyer().tenant_of_hash(table_.rows.front().owner), key);
  };
  const auto done = rewrap_keys(table_, keyring(), {}, 10);
  EXPECT_EQ(done.sound, 25);
  EXPECT_EQ(done.unopened, 3) << "these three are no keys; the walk met them and went on";
  EXPECT_EQ(table_.count_by_epoch(), (std::map<std::uint32_t, std::int64_t>{{1, 3}, {2, 25}}));
}

TEST_F(Rewrap, EndsWhereNothingChanges) {
  table_.is_elsewhere = true;
  EXPECT_THROW(rewrap_keys(table_, keyring(), {}, 100), Failure);
  EXPECT_EQ(table_.batches, 2);
}

TEST_F(Rewrap, TakesRowsThatVanishForNoFault) {
  table_.before_replace = [&] { table_.rows.clear(); };
  EXPECT_EQ(rewrap_keys(table_, keyring(), {}, 100).sound, 0);
}

TEST_F(Rewrap, NeverWrapsByAnOlderKey) {
  ASSERT_EQ(crypto::Keyring::stage(file_, crypto::RootKey::kek).value(), 3u);
  const auto staged = crypto::Keyring::load(file_).value();
  ASSERT_TRUE(crypto::Keyring::promote(file_, crypto::RootKey::kek, 3));
  (void)rewrap_keys(table_, crypto::Keyring::load(file_).value(), {});
  EXPECT_EQ(outage_code([&] { rewrap_keys(table_, staged, {}); }), Errc::key_invalid);
  EXPECT_EQ(table_.count_by_epoch(), (std::map<std::uint32_t, std::int64_t>{{3, 25}}));
}

TEST_F(Rewrap, LeavesWhatDoesNotOpenAndCountsIt) {
  table_.rows[3].key.wrapped[40] ^= 1;
  table_.rows[7].key.kek_epoch = 9;
  const auto done = rewrap_keys(table_, keyring(), {}, 4);
  EXPECT_EQ(done.sound, 23);
  EXPECT_EQ(done.unopened, 2);
  const auto seen = verify_keys(table_, keyring(), {});
  EXPECT_EQ(seen.sound, 23);
  EXPECT_EQ(seen.unopened, 2);
}

}  // namespace
}  // namespace memseal::lifecycle
