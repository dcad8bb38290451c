#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/schema.hpp"
#include "base/on_exit.hpp"
#include "pure/crypto/random.hpp"
#include "support/pg.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_future.hpp>

#include <csignal>
#include <future>
#include <thread>

namespace memseal::test {
namespace {

using namespace std::chrono_literals;

/// A lock on every tenant table, so that calls hang until it is let go.
class Jam {
 public:
  explicit Jam(const TestDatabase& database) : session_(database.super_dsn()), tx_(session_) {
    tx_.exec("LOCK TABLE app.memory_chunks, app.ingest_events IN ACCESS EXCLUSIVE MODE");
  }

 private:
  pqxx::connection session_;
  pqxx::work tx_;
};

class Pools : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    owner_ = new_tenant();
  }

  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(postgres::Pool& pool,
                                                                runtime::RequestContext context) {
    postgres::PgChunkSearch search(pool);
    ports::QueryVector query{unit_vector(1, dimension)};
    ports::SearchFilter all;
    co_return co_await search.nearest(context, *owner_, query, 24, all);
  }
  static runtime::RequestContext within(std::chrono::milliseconds budget) {
    return {"test", runtime::Deadline::after(budget)};
  }
  /// Ends every backend of app_user in this database.
  void kill_backends() {
    database_->super("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                     "WHERE datname = current_database() AND usename = 'app_user'");
  }
  std::string backends() {
    return database_->super("SELECT count(*) FROM pg_stat_activity "
                            "WHERE datname = current_database() AND usename = 'app_user'");
  }

  std::optional<crypto::Tenant> owner_;
};

TEST_F(Pools, RefusesARoleThatRowLevelSecurityDoesNotBind) {
  const auto expect_refused = [&](const std::string& dsn, const char* who) {
    postgres::PoolOptions options;
    options.dsn = dsn;
    options.connections = 1;
    postgres::Pool pool(options, counts_);
    try {
      await(nearest(pool, within(10s)));
      FAIL() << who;
    } catch (const Refused& refused) {
      EXPECT_EQ(refused.error().code, Errc::not_isolated) << who;
      EXPECT_NE(std::string(refused.what()).find("app_user"), std::string::npos);
    }
  };
  expect_refused(database_->super_dsn(), "a superuser");
  database_->super("ALTER ROLE app_user BYPASSRLS");
  const OnExit restore([&] { database_->super("ALTER ROLE app_user NOBYPASSRLS"); });
  expect_refused(database_->app_dsn(), "a role that bypasses it");
}

// Each attempt costs the server a session, so a role that is refused must not make one for each
// call. The error stays what an operator must see.
TEST_F(Pools, WaitBetweenConnectionsThatAreRefusedAndSayWhyMeanwhile) {
  database_->super("ALTER ROLE app_user BYPASSRLS");
  const OnExit restore([&] { database_->super("ALTER ROLE app_user NOBYPASSRLS"); });
  // Asked in another database, because each look would count there itself.
  pqxx::connection elsewhere(dsn_with({}));
  pqxx::nontransaction tx(elsewhere);
  const auto sessions = [&] {
    tx.exec("SELECT pg_stat_clear_snapshot()");
    return tx.query_value<int>("SELECT sessions FROM pg_stat_database WHERE datname = '" +
                               database_->name() + "'");
  };
  const auto pool = make_pool(1);
  const auto settled = [&] {  // a session is counted when it has ended
    int count = sessions();
    for (int same = 0; same < 10; ++same) {
      std::this_thread::sleep_for(50ms);
      if (const int now = sessions(); now != std::exchange(count, now)) same = 0;
    }
    return count;
  };
  const int before = settled();
  for (int call = 0; call < 40; ++call)
    EXPECT_EQ(outage_of(nearest(*pool, context_)), Errc::not_isolated);
  EXPECT_LE(settled() - before, 6);
  database_->super("ALTER ROLE app_user NOBYPASSRLS");
  EXPECT_TRUE([&] {
    for (int wait = 0; wait < 100; ++wait) {
      if (!outage_of(nearest(*pool, context_))) return true;
      std::this_thread::sleep_for(100ms);
    }
    return false;
  }()) << "the pool comes back by itself";
}

TEST_F(Pools, GoOnToSayThatALoginIsRefused) {
  postgres::PoolOptions options;
  options.dsn = dsn_with({{"dbname", database_->name()}, {"user", "nobody_knows_this_role"}});
  postgres::Pool pool(std::move(options), counts_);
  for (int call = 0; call < 3; ++call)
    EXPECT_EQ(outage_of(nearest(pool, context_)), Errc::bad_config) << call;
}

TEST_F(Pools, TouchesNoOtherTenantEvenWhereRowLevelSecurityIsOff) {
  postgres::PgChunkStore store(*pool_);
  const auto other = new_tenant();
  const auto write = [&](const crypto::Tenant& owner, std::int64_t revision) {
    ChunkSpec spec;
    spec.doc_id = "shared";
    spec.revision = revision;
    auto event = event_of(spec);
    event.chunks.push_back(sealed_chunk(owner, spec, dimension));
    std::vector<ports::EventWrite> writes;
    writes.push_back(std::move(event));
    await(store.store(context_, owner, std::move(writes)));
  };
  write(*owner_, 1);
  write(other, 1);
  const auto rows_of = [&](const crypto::Tenant& owner) {
    return database_->super("SELECT count(*) FROM app.memory_chunks WHERE user_hash = '" +
                            owner.hash().to_hex() + "'");
  };
  // The connection is open already: what a role may do changes under it.
  database_->super("ALTER TABLE app.memory_chunks DISABLE ROW LEVEL SECURITY");
  const OnExit restore(
      [&] { database_->super("ALTER TABLE app.memory_chunks ENABLE ROW LEVEL SECURITY"); });
  write(*owner_, 2);
  EXPECT_EQ(rows_of(*owner_), "1");
  EXPECT_EQ(rows_of(other), "1") << "replacing one tenant's document left the other's alone";
  const auto found = await(nearest(*pool_, context_));
  ASSERT_EQ(found.size(), 1u) << "a search reads the rows of its tenant alone";
  EXPECT_TRUE(crypto::Sealer::open(*owner_, test_key(), crypto::SealedCandidate(found[0])));
}

TEST_F(Pools, ConnectOnFirstUseAndKeepTheConnection) {
  const auto pool = make_pool(3);
  EXPECT_EQ(counts_.connects.Value(), 0);
  for (int call = 0; call < 5; ++call) (void)await(nearest(*pool, context_));
  EXPECT_EQ(counts_.connects.Value(), 1);
  EXPECT_EQ(counts_.connections.Value(), 1);
  EXPECT_EQ(counts_.in_flight.Value(), 0);
}

TEST_F(Pools, AreAppUserAndNobodyElse) {
  const auto pool = make_pool(1);
  (void)await(nearest(*pool, context_));
  EXPECT_EQ(backends(), "1");
  EXPECT_EQ(database_->super("SELECT rolsuper OR rolbypassrls FROM pg_roles "
                             "WHERE rolname = 'app_user'"), "f");
}

TEST_F(Pools, LeaveNoTenantOnTheirConnection) {
  pqxx::connection session(database_->app_dsn());
  pqxx::nontransaction tx(session);
  tx.exec("BEGIN; SET LOCAL app.user_hash = '" + owner_->hash().to_hex() + "'");
  tx.exec("SELECT count(*) FROM app.documents");
  tx.exec("COMMIT");
  EXPECT_EQ(tx.query_value<std::string>("SELECT current_setting('app.user_hash')"), "");
  EXPECT_THROW(tx.exec("SELECT count(*) FROM app.documents"), pqxx::insufficient_privilege);
}

TEST_F(Pools, SurviveARestartBetweenTwoCalls) {
  const auto pool = make_pool(2);
  (void)await(nearest(*pool, context_));
  kill_backends();
  EXPECT_EQ(outage_of(nearest(*pool, context_)), std::nullopt);
  EXPECT_EQ(counts_.connects.Value(), 2);
  EXPECT_EQ(counts_.connections.Value(), 1);
}

TEST_F(Pools, AConnectionKilledInMidTransactionIsAnOutageAndKeepsNothing) {
  const auto pool = make_pool(1);
  std::optional<Jam> jam(*database_);
  postgres::PgChunkStore store(*pool);
  auto write = event_of({});
  write.chunks.push_back(sealed_chunk(*owner_, {}, dimension));
  const std::vector<ports::EventWrite> writes(1, write);
  std::thread killer([&] {
    for (int wait = 0; wait < 100; ++wait) {
      std::this_thread::sleep_for(50ms);
      if (database_->super("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_user' AND "
                           "datname = current_database() AND wait_event_type = 'Lock'") != "0") {
        break;
      }
    }
    kill_backends();
    jam.reset();
  });
  EXPECT_EQ(outage_of(store.store(context_, *owner_, writes)), Errc::unavailable);
  killer.join();
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.ingest_events WHERE user_hash = '" +
                             owner_->hash().to_hex() + "'"), "0");
  EXPECT_EQ(counts_.outages.Value(), 1);
  const auto again = await(store.store(context_, *owner_, writes));
  EXPECT_EQ(again, std::vector{ports::Stored::applied});
}

TEST_F(Pools, AnswerTimeoutAtTheDeadlineAndGiveTheThreadBack) {
  const auto pool = make_pool(1);
  {
    Jam jam(*database_);
    const auto start = runtime::Clock::now();
    EXPECT_EQ(outage_of(nearest(*pool, within(300ms))), Errc::timeout);
    EXPECT_LT(runtime::Clock::now() - start, 2s);
    EXPECT_EQ(outage_of(nearest(*pool, within(300ms))), Errc::timeout);
  }
  EXPECT_EQ(outage_of(nearest(*pool, within(5s))), std::nullopt);
  EXPECT_EQ(counts_.timeouts.Value(), 2);
}

TEST_F(Pools, CutOffACallThatHoldsItsThreadLongAfterItsDeadline) {
  const auto pool = make_pool(1);
  (void)await(nearest(*pool, context_));
  const pid_t backend = std::stoi(
      database_->super("SELECT pid FROM pg_stat_activity WHERE usename = 'app_user' AND "
                       "datname = current_database()"));
  if (::kill(backend, SIGSTOP) != 0) {
    GTEST_SKIP() << "this user may not stop the server's processes: run as root or as its user";
  }
  const OnExit resume([backend] { ::kill(backend, SIGCONT); });
  EXPECT_EQ(outage_of(nearest(*pool, within(200ms))), Errc::timeout);
  std::this_thread::sleep_for(1'200ms);
  EXPECT_EQ(outage_of(nearest(*pool, within(10s))), std::nullopt);
  EXPECT_EQ(counts_.connects.Value(), 2);
}

TEST_F(Pools, ACommitWhoseAnswerWasLostIsSettledByTheLedger) {
  // The commit takes a second; the client goes away in the middle of it, the server does not.
  database_->super(
      "CREATE FUNCTION public.linger() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'; "
      "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON app.ingest_events "
      "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.linger()");
  const OnExit tidy([] { database_->super("DROP FUNCTION public.linger() CASCADE"); });
  auto write = event_of({});
  write.chunks.push_back(sealed_chunk(*owner_, {}, dimension));
  const std::vector<ports::EventWrite> writes(1, write);
  {
    auto pool = make_pool(1);
    postgres::PgChunkStore store(*pool);
    asio::io_context loop;
    auto call = asio::co_spawn(loop, store.store(context_, *owner_, writes), asio::use_future);
    loop.run_for(500ms);
    pool.reset();
    loop.run();
    EXPECT_THROW((void)call.get(), Outage);
  }
  postgres::PgChunkStore store(*pool_);
  const auto again = await(store.store(context_, *owner_, writes));
  EXPECT_EQ(again, std::vector{ports::Stored::duplicate});
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.memory_chunks WHERE user_hash = '" +
                             owner_->hash().to_hex() + "'"), "1");
}

TEST_F(Pools, RefuseWhatWouldWaitTooLong) {
  const auto pool = make_pool(1, 2);
  asio::io_context loop;
  std::vector<std::future<std::vector<crypto::SealedCandidate>>> calls;
  {
    Jam jam(*database_);
    for (int call = 0; call < 5; ++call) {
      calls.push_back(asio::co_spawn(loop, nearest(*pool, within(20s)), asio::use_future));
    }
    loop.run_for(200ms);
    EXPECT_EQ(counts_.refused.Value(), 2);
  }
  loop.run();
  int refused = 0;
  for (auto& call : calls) {
    try {
      (void)call.get();
    } catch (const Outage& outage) {
      EXPECT_EQ(outage.error().code, Errc::overloaded);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(counts_.in_flight.Value(), 0);
}

TEST_F(Pools, ACallerMayLeaveAtOnceWhileItsWorkRuns) {
  const auto pool = make_pool(1);
  asio::io_context loop;
  Jam jam(*database_);
  asio::cancellation_signal leave;
  std::exception_ptr ended;
  auto call = [](asio::awaitable<std::vector<crypto::SealedCandidate>> work)
      -> asio::awaitable<void> { (void)co_await std::move(work); };
  asio::co_spawn(loop, call(nearest(*pool, within(2s))),
                 asio::bind_cancellation_slot(leave.slot(), [&](std::exception_ptr thrown) {
                   ended = thrown;
                 }));
  loop.run_for(100ms);
  EXPECT_FALSE(ended);
  leave.emit(asio::cancellation_type::terminal);
  loop.run_for(100ms);
  EXPECT_TRUE(ended);
}

TEST_F(Pools, SayUnavailableAtOnceWhileTheServerIsAwayAndComeBackByThemselves) {
  // A port that nobody listens on.
  asio::ip::tcp::acceptor closed(loop_, {asio::ip::address_v4::loopback(), 0});
  const auto port = std::to_string(closed.local_endpoint().port());
  closed.close();
  postgres::PoolOptions options;
  options.dsn = "host=127.0.0.1 user=app_user dbname=x port=" + port;
  postgres::Pool away(std::move(options), counts_);
  EXPECT_EQ(outage_of(nearest(away, context_)), Errc::unavailable);
  const auto start = runtime::Clock::now();
  for (int call = 0; call < 50; ++call) {
    EXPECT_EQ(outage_of(nearest(away, context_)), Errc::unavailable);
  }
  EXPECT_LT(runtime::Clock::now() - start, 2s);
  EXPECT_EQ(counts_.outages.Value(), 51);
}

TEST_F(Pools, SayReadOnlyOnlyWhereTheServerSaysSo) {
  const auto is_writable = [&](postgres::Pool& pool) {
    return await(postgres::check_writable(pool, context_));
  };
  postgres::PoolOptions options;
  options.dsn = database_->app_dsn() + " options='-c default_transaction_read_only=on'";
  postgres::Pool read_only(options, counts_);
  for (int call = 0; call < 3; ++call) {
    const auto answer = is_writable(read_only);
    ASSERT_FALSE(answer) << call;
    EXPECT_NE(answer.error().message.find("read-only"), std::string::npos);
  }
  options.dsn = database_->app_dsn();
  postgres::Pool writable(options, counts_);
  EXPECT_TRUE(is_writable(writable));
  options.dsn = "host=127.0.0.1 user=app_user dbname=x port=1";
  postgres::Pool away(options, counts_);
  for (int call = 0; call < 2; ++call)
    EXPECT_EQ(outage_of(postgres::check_writable(away, context_)), Errc::unavailable);
}

TEST_F(Pools, AreDestroyedAtOnceWhileACallHangs) {
  auto pool = make_pool(1);
  asio::io_context loop;
  Jam jam(*database_);
  auto call = asio::co_spawn(loop, nearest(*pool, within(60s)), asio::use_future);
  loop.run_for(300ms);
  const auto start = runtime::Clock::now();
  pool.reset();
  EXPECT_LT(runtime::Clock::now() - start, 3s);
  loop.run();
  EXPECT_THROW((void)call.get(), Outage);
}

TEST_F(Pools, SayNotMigratedWhenTheTablesAreMissing) {
  TestDatabase bare(dimension);
  bare.super("CREATE EXTENSION vector");
  postgres::PoolOptions options;
  options.dsn = bare.app_dsn();
  postgres::Pool pool(std::move(options), counts_);
  EXPECT_EQ(outage_of(nearest(pool, context_)), Errc::not_migrated);
}

TEST_F(Pools, ShowHowMuchOfThemIsInUse) {
  postgres::PoolOptions options;
  options.name = "watched";
  options.dsn = database_->app_dsn();
  options.connections = 3;
  const auto seen = counts_.pool("watched");
  {
    postgres::Pool pool(std::move(options), counts_);
    EXPECT_EQ(seen.most.Value(), 3);
    EXPECT_EQ(outage_of(nearest(pool, context_)), std::nullopt);
    EXPECT_EQ(seen.open.Value(), 1);
    EXPECT_EQ(seen.busy.Value(), 0);
    const auto before = seen.busy_s.Value();
    EXPECT_GT(before, 0);
    asio::io_context loop;
    {
      Jam jam(*database_);
      auto call = asio::co_spawn(loop, nearest(pool, within(60s)), asio::use_future);
      loop.run_for(300ms);
      EXPECT_EQ(seen.busy.Value(), 1);
    }
    loop.run();
    EXPECT_EQ(seen.busy.Value(), 0);
    EXPECT_GE(seen.busy_s.Value() - before, 0.2);
  }
  EXPECT_EQ(seen.most.Value(), 0);
  EXPECT_EQ(seen.open.Value(), 0);
}

TEST_F(Pools, CountARefusalOfRowSecurity) {
  const auto pool = make_pool(1);
  database_->super("REVOKE SELECT ON app.memory_chunks FROM app_user");
  EXPECT_EQ(outage_of(nearest(*pool, context_)), Errc::bad_config);
  database_->super("GRANT SELECT ON app.memory_chunks TO app_user");
  EXPECT_EQ(counts_.rls_errors.Value(), 1);
  EXPECT_EQ(counts_.rls_policy_errors.Value(), 1);
  EXPECT_EQ(outage_of(nearest(*pool, context_)), std::nullopt);
}

}  // namespace
}  // namespace memseal::test
