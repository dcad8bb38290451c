// The KEK takes turns while tenants are read and written: no read fails, no other row changes, and
// no key is lost, whoever dies in the middle.
#include "adapters/postgres/key_table.hpp"
#include "adapters/postgres/schema.hpp"
#include "cases/lifecycle/rewrap.hpp"
#include "support/pg.hpp"
#include "support/pg_keys.hpp"
#include "support/temp_directory.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

namespace memseal::test {
namespace {

using crypto::Keyring;
using crypto::RootKey;

/// What a process has that reads the keyring's file again when it must.
class FileKeyring final : public ports::KeyringSource {
 public:
  explicit FileKeyring(std::filesystem::path file) : file_(std::move(file)) { (void)latest(); }
  std::shared_ptr<const Keyring> now() const override {
    const std::lock_guard lock(mutex_);
    return keyring_;
  }
  std::shared_ptr<const Keyring> latest() override {
    const std::lock_guard lock(mutex_);
    return keyring_ = std::make_shared<const Keyring>(Keyring::load(file_).value());
  }

 private:
  const std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Keyring> keyring_;
};

class KeyRotation : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(Keyring::create(file_));
    database_->super("DELETE FROM app.tenant_keys; DELETE FROM app.tenants; "
                     "DELETE FROM app.settings WHERE key LIKE 'kek_check_%'; "
                     "ALTER TABLE app.tenant_keys "
                     "DROP CONSTRAINT IF EXISTS tenant_keys_without_kek_1");
    mark_database(load());
    table_ = postgres::PgKeyTable::open(database_->super_dsn(), database_->app_dsn()).value();
  }

  /// As `migrate up` does.
  static void mark_database(const Keyring& keyring) {
    const auto check = keyring.tenant_key_check();
    database_->super("INSERT INTO app.settings (key, value) VALUES ('tenant_key_check', '" +
                     to_hex(check.data(), check.size()) +
                     "') ON CONFLICT (key) DO UPDATE SET value = excluded.value");
  }
  static postgres::KeyringMark mark_of(const Keyring& keyring) {
    return {keyring.tenant_key_check(), keyring.kek_checks(), keyring.kek_epoch()};
  }
  Result<bool> retire(std::uint32_t epoch) const {
    return postgres::retire_kek(database_->super_dsn(), mark_of(load()), epoch);
  }

  Keyring load() const { return Keyring::load(file_).value(); }

  void add_tenants(int count) {
    const auto keyring = load();
    pqxx::connection session(database_->super_dsn());
    pqxx::work tx(session);
    for (int begin = 0; begin < count; begin += 500) {
      std::string tenants = "INSERT INTO app.tenants (user_hash) VALUES ";
      std::string keys =
          "INSERT INTO app.tenant_keys (user_hash, key_id, kek_epoch, wrapped, kcv) VALUES ";
      for (int each = begin; each < std::min(begin + 500, count); ++each) {
        const auto owner = new_tenant();
        owners_.push_back(owner);
        const auto hash = owner.hash().to_hex();
        const auto key = keyring.make_tenant_key(owner, 1).value();
        const auto* comma = each == begin ? "('" : ", ('";
        tenants += comma + hash + "')";
        keys += comma + hash + "', 1, " + std::to_string(key.kek_epoch) + ", '\\x" +
                to_hex(key.wrapped.data(), key.wrapped.size()) + "', '\\x" +
                to_hex(key.check.data(), key.check.size()) + "')";
      }
      tx.exec(tenants);
      tx.exec(keys);
    }
    tx.commit();
  }

  void make_second_kek() {
    ASSERT_EQ(Keyring::stage(file_, RootKey::kek).value(), 2u);
    ASSERT_TRUE(postgres::record_kek(database_->super_dsn(), mark_of(load()), 2));
    ASSERT_TRUE(Keyring::promote(file_, RootKey::kek, 2));
  }

  using Counts = std::map<std::uint32_t, std::int64_t>;
  Counts counts() { return table_->count_by_epoch(); }

  const TempDirectory folder_;
  const std::filesystem::path file_ = folder_ / "keyring";
  std::unique_ptr<postgres::PgKeyTable> table_;
  std::vector<crypto::Tenant> owners_;
};

// For the figure: MEMSEAL_ROTATION_TENANTS=100000, with --gtest_filter=KeyRotation.Wraps*
TEST_F(KeyRotation, WrapsManyKeysGoesOnAfterAKillAndTouchesNoOtherRow) {
  const char* wanted = std::getenv("MEMSEAL_ROTATION_TENANTS");
  const int tenants = wanted ? std::atoi(wanted) : 2'000;
  add_tenants(tenants);
  const auto versions = [&] {
    return database_->super("SELECT string_agg(xmin::text, ',' ORDER BY user_hash) "
                            "FROM app.tenants");
  };
  const auto before = versions();
  make_second_kek();
  // The session that writes dies, and the batch that it has in work with it.
  const auto dies = [&](std::int64_t keys) {
    if (keys == 1'000)
      database_->super("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                       "WHERE usename = 'app_user' AND datname = current_database()");
  };
  EXPECT_THROW(lifecycle::rewrap_keys(*table_, load(), dies, 500), Failure);
  EXPECT_EQ(counts(), (Counts{{1, tenants - 1'000}, {2, 1'000}}));
  EXPECT_FALSE(retire(1).value()) << "rows need it";

  table_ = postgres::PgKeyTable::open(database_->super_dsn(), database_->app_dsn()).value();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(lifecycle::rewrap_keys(*table_, load(), {}).sound, tenants - 1'000);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("rewrapped %d keys in %.2f s\n", tenants - 1'000, took.count());
  EXPECT_EQ(counts(), (Counts{{2, tenants}}));
  EXPECT_EQ(versions(), before);
  const auto seen = lifecycle::verify_keys(*table_, load(), {});
  EXPECT_EQ(seen.sound, tenants);
  EXPECT_EQ(seen.unopened, 0);
}

TEST_F(KeyRotation, ReadersAndWritersNeverFailWhileTheKekTakesTurns) {
  add_tenants(200);
  std::atomic<bool> over = false;
  std::atomic<int> reads = 0, made = 0, failures = 0;
  // Each is a process of its own: its keyring is what it read last.
  const auto process = [&](unsigned number, bool writes) {
    asio::io_context loop(1);  // one for all rounds: it must outlive what the pool's threads do
    FileKeyring keyring(file_);
    runtime::Metrics metrics;
    lifecycle::KeyMetrics key_metrics(metrics);
    postgres::PostgresMetrics pg_metrics(metrics);
    postgres::Pool pool({.dsn = database_->app_dsn(), .connections = 1}, pg_metrics);
    postgres::PgKeyStore store(pool);
    lifecycle::CachedTenantKeys keys(store, keyring, key_metrics);
    std::mt19937 random(number);
    const auto one = [&](int round) -> asio::awaitable<void> {
      const runtime::RequestContext context{"test",
                                            runtime::Deadline::after(std::chrono::seconds(30))};
      const auto owner = writes ? tenant("new-" + std::to_string(number) + "-" +
                                         std::to_string(round))
                                : owners_[random() % owners_.size()];
      keys.forget_all();
      ports::TenantKeyPtr key;
      if (writes)
        key = co_await keys.sealing_key(context, owner);
      else
        key = co_await keys.opening_key(context, owner, 1);
      if (!key) ++failures;
    };
    for (int round = 0; !over || round == 0; ++round) {
      try {
        run_to_end(loop, one(round));
      } catch (const std::exception& failed) {
        ++failures;
        ADD_FAILURE() << failed.what();
      }
      ++(writes ? made : reads);
    }
  };
  std::vector<std::thread> processes;
  for (unsigned number = 0; number < 3; ++number)
    processes.emplace_back(process, number, number == 2);
  const auto wait_for_more = [&] {
    const int seen = reads, written = made;
    while (reads < seen + 20 || made < written + 5)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  wait_for_more();
  make_second_kek();
  wait_for_more();
  (void)lifecycle::rewrap_keys(*table_, load(), {}, 20);
  wait_for_more();
  // A writer may have taken the KEK of before just before the file changed.
  while (!retire(1).value())
    (void)lifecycle::rewrap_keys(*table_, load(), {});
  ASSERT_TRUE(Keyring::remove(file_, RootKey::kek, 1));
  wait_for_more();
  over = true;
  for (auto& each : processes) each.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(counts(), (Counts{{2, 200 + made}}));
  EXPECT_EQ(lifecycle::verify_keys(*table_, load(), {}).unopened, 0);
}

TEST_F(KeyRotation, AProcessWithTheOldKeyringCannotUseARetiredKek) {
  const Keyring old = load();
  ProcessKeys slow(*pool_, old);
  add_tenants(3);
  make_second_kek();
  EXPECT_FALSE(retire(1).value());
  EXPECT_EQ(lifecycle::rewrap_keys(*table_, load(), {}).sound, 3);
  EXPECT_TRUE(retire(1).value());
  EXPECT_TRUE(retire(1).value()) << "it may be said again";
  const auto late = new_tenant();
  EXPECT_EQ(outage_of(slow.keys.sealing_key(context_, late)), Errc::bad_config)
      << "its key would never open again";
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.tenant_keys WHERE kek_epoch = 1"), "0");
}

TEST_F(KeyRotation, RetiringLetsWritersGoOnWhileItWaitsForOne) {
  add_tenants(1);
  const auto constraint = [&] {
    return database_->super("SELECT coalesce((SELECT convalidated::text FROM pg_constraint "
                            "WHERE conname = 'tenant_keys_without_kek_1'), 'none')");
  };
  make_second_kek();
  EXPECT_FALSE(retire(1).value());
  EXPECT_EQ(constraint(), "none") << "a row needs the KEK, and stays writable";
  EXPECT_EQ(lifecycle::rewrap_keys(*table_, load(), {}).sound, 1);

  const std::string touch = "UPDATE app.tenant_keys SET state = state";
  pqxx::connection slow_session(database_->super_dsn()), session(database_->super_dsn());
  std::optional<pqxx::work> slow(std::in_place, slow_session);
  slow->exec("LOCK TABLE app.tenant_keys IN ROW EXCLUSIVE MODE");
  std::optional<Result<bool>> retired;
  std::thread command([&] { retired.emplace(retire(1)); });
  const auto waits = [&] {
    return database_->super("SELECT count(*) FROM pg_locks WHERE NOT granted AND "
                            "relation = 'app.tenant_keys'::regclass") != "0";
  };
  while (!waits()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  // Queues behind the command's lock, which gives up soon, although the slow writer goes on.
  {
    pqxx::work tx(session);
    tx.exec("SET LOCAL lock_timeout = '4s'");
    EXPECT_NO_THROW(tx.exec(touch).no_rows());
    tx.commit();
  }
  slow.reset();
  command.join();
  EXPECT_TRUE(retired->value());
  EXPECT_EQ(constraint(), "true");
}

TEST_F(KeyRotation, TwoCopiesOfAKeyringCannotBothMakeTheNextKek) {
  const auto copy = folder_ / "copy";
  std::filesystem::copy_file(file_, copy);
  std::filesystem::permissions(copy, std::filesystem::perms::owner_read |
                                         std::filesystem::perms::owner_write);
  make_second_kek();
  ASSERT_EQ(Keyring::stage(copy, RootKey::kek).value(), 2u);
  const auto theirs = Keyring::load(copy).value();
  EXPECT_EQ(postgres::record_kek(database_->super_dsn(), mark_of(theirs), 2).error().code,
            Errc::key_invalid);
  EXPECT_TRUE(postgres::record_kek(database_->super_dsn(), mark_of(load()), 2));
  const auto check = [&](const Keyring& keyring) {
    return postgres::check_key(database_->app_dsn(), keyring.tenant_key_check(),
                               keyring.kek_checks(), keyring.kek_epoch());
  };
  EXPECT_TRUE(check(load()));
  EXPECT_EQ(check(theirs).error().code, Errc::key_invalid);
  ASSERT_TRUE(Keyring::remove(copy, RootKey::kek, 2));
  EXPECT_EQ(check(Keyring::load(copy).value()).error().code, Errc::key_missing)
      << "the keyring of before a rotation is refused at the start, before anything is written";
}

TEST_F(KeyRotation, AnotherDeploymentsDatabaseIsRefusedBeforeAnythingChanges) {
  make_second_kek();
  const auto ours = mark_of(load());
  const auto super = database_->super_dsn();
  EXPECT_TRUE(postgres::check_databases({database_->app_dsn()}, super, ours));
  // Nothing in this database needs KEK 1, and the keyring of the other deployment has one too.
  const auto other_file = folder_ / "other";
  ASSERT_TRUE(Keyring::create(other_file));
  const auto other = mark_of(Keyring::load(other_file).value());
  EXPECT_EQ(postgres::check_databases({}, super, other).error().code, Errc::key_invalid);
  EXPECT_EQ(postgres::retire_kek(super, other, 1).error().code, Errc::key_invalid);
  EXPECT_EQ(postgres::record_kek(super, other, 1).error().code, Errc::key_invalid);
  EXPECT_EQ(database_->super("SELECT count(*) FROM pg_constraint "
                             "WHERE conname = 'tenant_keys_without_kek_1'"), "0");
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.settings WHERE key = 'kek_check_1'"), "0");

  // A copy of the database knows the same keyring, and is another database all the same.
  TestDatabase copy(dimension);
  ASSERT_TRUE(postgres::migrate_up(copy.options()));
  EXPECT_EQ(postgres::check_databases({copy.app_dsn()}, super, ours).error().code,
            Errc::not_migrated) << "it records no keyring";
  copy.super("INSERT INTO app.settings SELECT 'tenant_key_check', '" +
             to_hex(ours.tenant_key.data(), ours.tenant_key.size()) + "'");
  EXPECT_EQ(postgres::check_databases({copy.app_dsn()}, super, ours).error().code,
            Errc::bad_config);
}

TEST_F(KeyRotation, AnOldCopyOfTheKeyringBringsNoRetiredKekBack) {
  const auto old = load();
  const auto migrate = [&](const Keyring& keyring) {
    auto options = database_->options();
    options.key_check = keyring.tenant_key_check();
    options.kek_checks = keyring.kek_checks();
    options.kek_current = keyring.kek_epoch();
    return postgres::migrate_up(options);
  };
  ASSERT_TRUE(migrate(old));
  ASSERT_EQ(Keyring::stage(file_, RootKey::kek).value(), 2u);
  const auto staged = load();
  make_second_kek();
  const auto both = load();
  ASSERT_TRUE(retire(1).value());
  ASSERT_TRUE(Keyring::remove(file_, RootKey::kek, 1));
  EXPECT_TRUE(migrate(load()));
  EXPECT_TRUE(migrate(both)) << "it has the retired one too, and does not use it";
  EXPECT_EQ(migrate(staged).error().code, Errc::key_invalid) << "it still wraps by the retired one";
  EXPECT_FALSE(migrate(old));
  EXPECT_EQ(database_->super("SELECT value FROM app.settings WHERE key = 'kek_check_1'"),
            "retired");
  const auto starts = [&](const Keyring& keyring) {
    return postgres::check_key(database_->app_dsn(), keyring.tenant_key_check(),
                               keyring.kek_checks(), keyring.kek_epoch());
  };
  EXPECT_TRUE(starts(load())) << "no keyring needs the retired one";
  EXPECT_TRUE(starts(both));
  EXPECT_EQ(starts(staged).error().code, Errc::key_invalid);
  EXPECT_EQ(postgres::record_kek(database_->super_dsn(), mark_of(both), 1).error().code,
            Errc::key_invalid);
}

TEST_F(KeyRotation, AnErasedTenantGetsNoKeyBack) {
  add_tenants(2);
  make_second_kek();
  const auto keyring = load();
  auto rows = table_->read(2, {}, 10);
  ASSERT_EQ(rows.size(), 2u);
  std::vector<ports::KeyTable::Change> changes;
  for (auto& row : rows) {
    const auto owner = keyring.tenant_keyer().tenant_of_hash(row.owner);
    auto fresh = keyring.rewrap(owner, row.key).value();
    changes.push_back({row, std::move(fresh)});
  }
  database_->super("DELETE FROM app.tenant_keys WHERE user_hash = '" + rows[0].owner.to_hex() +
                   "'");
  EXPECT_EQ(table_->replace(changes), 1);
  EXPECT_EQ(counts(), (Counts{{2, 1}}));
}

}  // namespace
}  // namespace memseal::test
