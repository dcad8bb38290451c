#include "adapters/postgres/person_store.hpp"
#include "base/limits.hpp"
#include "support/pg.hpp"
#include "support/pg_keys.hpp"

#include <boost/asio/use_future.hpp>

#include <filesystem>
#include <future>

namespace memseal::test {
namespace {

namespace fs = std::filesystem;

class TenantKeys : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    keyring_ = std::make_unique<crypto::Keyring>(new_keyring());
    keys_ = std::make_unique<ProcessKeys>(*pool_, *keyring_);
    owner_ = new_tenant();
  }
  void TearDown() override {
    pool_.reset();
    MigratedPgTest::TearDown();
  }

  static crypto::Keyring new_keyring() {
    const auto file = fs::temp_directory_path() / (database_->name() + ".keys");
    fs::remove(file);
    EXPECT_TRUE(crypto::Keyring::create(file));
    auto keyring = crypto::Keyring::load(file);
    fs::remove(file);
    return std::move(keyring).value();
  }

  ports::TenantKeyPtr sealing() { return await(keys_->keys.sealing_key(context_, *owner_)); }
  ports::TenantKeyPtr opening(std::uint32_t id) {
    return await(keys_->keys.opening_key(context_, *owner_, id));
  }
  static bool same(const ports::TenantKeyPtr& a, const ports::TenantKeyPtr& b) {
    const auto one = a->key.view(), two = b->key.view();
    return a->id == b->id && std::equal(one.begin(), one.end(), two.begin(), two.end());
  }
  std::string look(const std::string& select) {
    return database_->super(select + " WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  }

  std::unique_ptr<crypto::Keyring> keyring_;
  std::unique_ptr<ProcessKeys> keys_;
  std::optional<crypto::Tenant> owner_;
};

TEST_F(TenantKeys, MakesTheFirstKeyAndItsTenant) {
  const auto key = sealing();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->id, 1u);
  EXPECT_EQ(key->key.size(), 32u);
  EXPECT_EQ(look("SELECT state FROM app.tenants"), "active");
  EXPECT_EQ(look("SELECT key_id || state || octet_length(kcv) FROM app.tenant_keys"), "1active16");
}

TEST_F(TenantKeys, HandsOutTheSameKeyFromCacheAndFromTheDatabase) {
  const auto first = sealing();
  EXPECT_EQ(sealing(), first);
  EXPECT_EQ(opening(1), first);
  EXPECT_EQ(keys_->counts.cache_hits.Value(), 2);
  ProcessKeys another_process(*pool_, *keyring_);
  EXPECT_TRUE(same(await(another_process.keys.sealing_key(context_, *owner_)), first));
  EXPECT_TRUE(same(await(another_process.keys.opening_key(context_, *owner_, 1)), first));
}

TEST_F(TenantKeys, HasNoKeyThatWasNeverMade) {
  EXPECT_EQ(opening(1), nullptr);
  EXPECT_EQ(look("SELECT count(*) FROM app.tenants"), "0") << "asking must not make a tenant";
  (void)sealing();
  EXPECT_EQ(opening(2), nullptr);
}

TEST_F(TenantKeys, GivesEachTenantItsOwn) {
  const auto mine = sealing();
  owner_ = new_tenant();
  EXPECT_FALSE(same(sealing(), mine));
}

TEST_F(TenantKeys, TwoProcessesThatMakeTheFirstKeyAtOnceAgree) {
  const auto pool = make_pool(8);
  for (int round = 0; round < 10; ++round) {
    owner_ = new_tenant();
    std::vector<std::unique_ptr<ProcessKeys>> processes;
    std::vector<std::future<ports::TenantKeyPtr>> made;
    asio::io_context loop;
    for (int process = 0; process < 8; ++process) {
      processes.push_back(std::make_unique<ProcessKeys>(*pool, *keyring_));
      made.push_back(asio::co_spawn(loop, processes.back()->keys.sealing_key(context_, *owner_),
                                    asio::use_future));
    }
    loop.run();
    const auto first = made[0].get();
    for (std::size_t process = 1; process < made.size(); ++process) {
      EXPECT_TRUE(same(made[process].get(), first));
    }
    EXPECT_EQ(look("SELECT count(*) FROM app.tenant_keys"), "1");
  }
}

TEST_F(TenantKeys, AKeyThatHasSealedItsShareGivesWayAndStillOpens) {
  const auto first = sealing();
  const auto count = [&](std::int64_t seals) {
    database_->super("UPDATE app.tenants SET seals = " + std::to_string(seals) +
                     " WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  };
  count(limits::seals_per_key_max - 1);
  ProcessKeys before(*pool_, *keyring_);
  EXPECT_EQ(await(before.keys.sealing_key(context_, *owner_))->id, 1u);
  count(limits::seals_per_key_max);
  ProcessKeys after(*pool_, *keyring_);
  const auto second = await(after.keys.sealing_key(context_, *owner_));
  EXPECT_EQ(second->id, 2u);
  EXPECT_FALSE(same(second, first));
  EXPECT_TRUE(same(await(after.keys.opening_key(context_, *owner_, 1)), first));
  EXPECT_EQ(look("SELECT seals FROM app.tenants"), "0");
  EXPECT_EQ(look("SELECT string_agg(state, ',' ORDER BY key_id) FROM app.tenant_keys"),
            "decrypt_only,active");
}

TEST_F(TenantKeys, SealsWithTheNewestActiveGenerationAndOpensOlderOnes) {
  const auto first = sealing();
  const auto second = keyring_->make_tenant_key(*owner_, 2).value();
  database_->super("UPDATE app.tenant_keys SET state = 'decrypt_only' WHERE user_hash = '" +
                   owner_->hash().to_hex() + "'");
  database_->super("INSERT INTO app.tenant_keys (user_hash, key_id, kek_epoch, wrapped, kcv) "
                   "VALUES ('" + owner_->hash().to_hex() + "', 2, " +
                   std::to_string(second.kek_epoch) + ", '\\x" +
                   to_hex(second.wrapped.data(), second.wrapped.size()) + "', '\\x" +
                   to_hex(second.check.data(), second.check.size()) + "')");
  ProcessKeys later(*pool_, *keyring_);
  EXPECT_EQ(await(later.keys.sealing_key(context_, *owner_))->id, 2u);
  EXPECT_TRUE(same(await(later.keys.opening_key(context_, *owner_, 1)), first));
}

TEST_F(TenantKeys, RefusesAKeyThatIsNotThisTenants) {
  (void)sealing();
  const auto donor = look("SELECT wrapped FROM app.tenant_keys");
  const auto kcv = look("SELECT kcv FROM app.tenant_keys");
  owner_ = new_tenant();
  database_->super("INSERT INTO app.tenant_keys (user_hash, key_id, kek_epoch, wrapped, kcv) "
                   "VALUES ('" + owner_->hash().to_hex() + "', 1, " +
                   std::to_string(keyring_->kek_epoch()) + ", '" + donor + "', '" + kcv + "')");
  EXPECT_EQ(outage_of(keys_->keys.opening_key(context_, *owner_, 1)), Errc::open_failed);
}

TEST_F(TenantKeys, AKeyOfAnotherKeyringDoesNotOpen) {
  (void)sealing();
  const auto other = new_keyring();
  ProcessKeys keys(*pool_, other);
  const auto code = outage_of(keys.keys.sealing_key(context_, *owner_));
  EXPECT_TRUE(code == Errc::open_failed || code == Errc::key_missing);
}

TEST_F(TenantKeys, AnErasedTenantNeverGetsAKeyAgain) {
  (void)sealing();
  postgres::PgPersonStore people(*pool_);
  const auto first = await(people.bury(context_, *owner_, 100));
  EXPECT_EQ(first.keys, 1);
  keys_->keys.forget(*owner_);
  EXPECT_EQ(outage_of(keys_->keys.opening_key(context_, *owner_, 1)), Errc::tenant_erased);
  EXPECT_EQ(outage_of(keys_->keys.sealing_key(context_, *owner_)), Errc::tenant_erased);
  EXPECT_EQ(look("SELECT count(*) FROM app.tenant_keys"), "0");
  EXPECT_EQ(look("SELECT state FROM app.tenants"), "erased");
  EXPECT_EQ(await(people.bury(context_, *owner_, 100)), first);
}

TEST_F(TenantKeys, ErasingATenantThatNeverWasLeavesATombstone) {
  postgres::PgPersonStore people(*pool_);
  EXPECT_EQ(await(people.bury(context_, *owner_, 100)).keys, 0);
  EXPECT_EQ(look("SELECT state FROM app.tenants"), "erased");
  EXPECT_EQ(outage_of(keys_->keys.sealing_key(context_, *owner_)), Errc::tenant_erased);
}

}  // namespace
}  // namespace memseal::test
