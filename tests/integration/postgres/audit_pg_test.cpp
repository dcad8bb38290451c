// The audit log in a real database: only added to, and whatever else is done to it is found.
#include "adapters/postgres/audit_log.hpp"
#include "adapters/postgres/audit_reader.hpp"

#include "pure/crypto/keyring.hpp"
#include "support/pg.hpp"
#include "support/test_key.hpp"

#include <gmock/gmock.h>

namespace memseal::test {
namespace {

using audit::Finding;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AuditPg : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (!IsSkipped()) database_->super("TRUNCATE app.audit, app.audit_checkpoints");
  }

  /// A process that writes.
  struct Process {
    std::unique_ptr<postgres::Pool> pool;
    std::unique_ptr<postgres::PgAuditLog> log;
  };
  Process process(const std::string& more = {}) {
    postgres::PoolOptions options;
    options.dsn = database_->app_dsn() + more;
    options.connections = 1;
    Process made{std::make_unique<postgres::Pool>(std::move(options), counts_), nullptr};
    made.log = std::make_unique<postgres::PgAuditLog>(
        *made.pool, audit::Marks(keyring_.audit_key()), keyring_.audit_signer());
    return made;
  }
  static std::vector<audit::Event> events(int count, std::int64_t at_ms = now_ms) {
    std::vector<audit::Event> made;
    for (int i = 0; i < count; ++i)
      made.push_back({.action = "memory.query",
                      .at_ms = at_ms + i,
                      .status = 200,
                      .who = tenant("alice"),
                      .actor = "token:t1",
                      .address = "127.0.0.1",
                      .request_id = "r-" + std::to_string(i),
                      .documents = {"salary.pdf", "plan \"b\"\n"}});
    return made;
  }
  void append(Process& process, std::vector<audit::Event> some) {
    await(process.log->append(context_, std::move(some)));
  }
  std::size_t sign(Process& process, std::int64_t at_ms = now_ms,
                   std::chrono::seconds every = std::chrono::seconds(0)) {
    return checkpointed(process, at_ms, every).made;
  }
  ports::Checkpointed checkpointed(Process& process, std::int64_t at_ms,
                                   std::chrono::seconds every) {
    return await(process.log->checkpoint(context_, at_ms, every));
  }
  static audit::LogJudge new_judge() {
    return {audit::Marks(keyring_.audit_key()), keyring_.audit_signer().verifying_key()};
  }
  static Result<postgres::AuditPruned> pruned_before(std::int64_t before_ms, bool past = false) {
    auto judge = new_judge();
    return postgres::prune_audit_log(database_->super_dsn(), before_ms, now_ms,
                                     keyring_.audit_signer(), judge, past);
  }
  audit::LogJudge judged() const {
    auto judge = new_judge();
    const auto read = postgres::judge_audit_log(database_->super_dsn(), judge);
    EXPECT_TRUE(read) << read.error().message;
    judge.finish();
    return judge;
  }
  std::vector<Finding::Kind> findings() const {
    std::vector<Finding::Kind> kinds;
    auto judge = judged();
    for (const auto& finding : judge.finish()) kinds.push_back(finding.kind);
    return kinds;
  }
  std::vector<audit::Record> records(const postgres::AuditFilter& filter) const {
    std::vector<audit::Record> all;
    const auto read = postgres::for_each_audit_record(
        database_->super_dsn(), filter, [&](const audit::Record& record) {
          all.push_back(record);
          return true;
        });
    EXPECT_TRUE(read) << read.error().message;
    return all;
  }
  std::string refusal(const std::string& sql) const {
    pqxx::connection session(database_->app_dsn());
    pqxx::work tx(session);
    try {
      tx.exec(sql);
    } catch (const pqxx::sql_error& failed) {
      return failed.what();
    }
    return "";
  }

  static constexpr std::int64_t now_ms = 1'790'000'000'123, hour_ms = 3'600'000;
  static inline const crypto::Keyring keyring_ =
      crypto::Keyring::from_keys(test_key_hex(1), test_key_hex(2), test_key_hex(3)).value();
};

TEST_F(AuditPg, KeepsWhatProcessesWriteSideBySide) {
  auto one = process(), two = process();
  for (int i = 0; i < 3; ++i) {
    append(one, events(5));
    append(two, events(2));
  }
  auto judge = judged();
  EXPECT_THAT(judge.finish(), IsEmpty());
  EXPECT_EQ(judge.records(), 21);
  EXPECT_EQ(judge.chains(), 2);
  EXPECT_EQ(judge.unsigned_records(), 21);
  EXPECT_EQ(sign(one), 2u);
  EXPECT_EQ(sign(two), 0u);  // nothing grew
  EXPECT_EQ(judged().unsigned_records(), 0);
  const auto first = records({.limit = 1}).at(0);
  EXPECT_EQ(first.at_ms, now_ms + 4);
  EXPECT_EQ(first.documents.size(), 16u);
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.audit a WHERE a::text ~* 'salary|alice'"),
            "0");
}

TEST_F(AuditPg, TheRoleThatServesAddsAndDoesNothingElse) {
  auto one = process();
  append(one, events(2));
  sign(one);
  for (const auto* statement :
       {"SELECT tenant FROM app.audit", "SELECT * FROM app.audit", "UPDATE app.audit SET at = at",
        "DELETE FROM app.audit", "TRUNCATE app.audit", "DELETE FROM app.audit_checkpoints",
        "UPDATE app.audit_checkpoints SET seq = 1", "DROP TABLE app.audit",
        "INSERT INTO app.audit SELECT * FROM app.audit"})
    EXPECT_THAT(refusal(statement), AnyOf(HasSubstr("permission denied"), HasSubstr("owner")))
        << statement;
  EXPECT_EQ(refusal("SELECT chain, seq, link FROM app.audit"), "");
  // What is forged as that role is found, because it has no link.
  EXPECT_EQ(refusal("INSERT INTO app.audit (chain, seq, at, action, outcome, status, tenant, "
                    "actor, address, request_id, documents, count, link) SELECT chain, 3, now(), "
                    "'memory.query', 'done', 200, '', '', '', '', '', 0, link FROM app.audit LIMIT "
                    "1"),
            "");
}

TEST_F(AuditPg, FindsEveryKindOfTampering) {
  const struct {
    const char* what;
    const char* sql;
    Finding::Kind kind;
  } deeds[]{
      {"delete", "DELETE FROM app.audit WHERE seq = 3", Finding::Kind::missing},
      {"update", "UPDATE app.audit SET request_id = 'x' WHERE seq = 3", Finding::Kind::changed},
      {"later", "UPDATE app.audit SET at = at + interval '1 ms' WHERE seq = 6",
       Finding::Kind::changed},
      {"swap",
       "UPDATE app.audit SET seq = seq + 100 WHERE seq IN (3, 4); "
       "UPDATE app.audit SET seq = 4 WHERE seq = 103; UPDATE app.audit SET seq = 3 WHERE seq = 104",
       Finding::Kind::changed},
      {"forge",
       "INSERT INTO app.audit SELECT chain, 7, at, action, outcome, status, tenant, actor, "
       "address, request_id, documents, count, link FROM app.audit WHERE seq = 6",
       Finding::Kind::changed},
      {"cut", "DELETE FROM app.audit WHERE seq > 4", Finding::Kind::cut},
      {"all", "DELETE FROM app.audit", Finding::Kind::cut},
      {"checkpoint", "DELETE FROM app.audit_checkpoints WHERE n = 1", Finding::Kind::checkpoint},
      {"another checkpoint", "UPDATE app.audit_checkpoints SET seq = 2 WHERE n = 2",
       Finding::Kind::checkpoint},
  };
  for (const auto& deed : deeds) {
    database_->super("TRUNCATE app.audit, app.audit_checkpoints");
    auto one = process();
    append(one, events(3));
    sign(one);
    append(one, events(3));
    sign(one);
    ASSERT_THAT(findings(), IsEmpty()) << deed.what;
    database_->super(deed.sql);
    EXPECT_THAT(findings(), Contains(deed.kind)) << deed.what;
  }
}

TEST_F(AuditPg, ALogCutWithItsCheckpointsLacksTheOneThatIsKeptElsewhere) {
  auto one = process();
  append(one, events(3));
  sign(one);
  append(one, events(3));
  sign(one);
  const auto kept = judged();
  database_->super("DELETE FROM app.audit WHERE seq > 3; "
                   "DELETE FROM app.audit_checkpoints WHERE n = 2");
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_FALSE(judged().holds(kept.checkpoints(), kept.last_digest()));
}

// The records may be there or not, so their places in the chain are not known to be free.
TEST_F(AuditPg, AConnectionThatDiesInTheCommitBeginsANewChain) {
  auto one = process();
  append(one, events(2));
  database_->super(
      "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
      "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'; "
      "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON app.audit DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION public.die()");
  EXPECT_EQ(outage_of(one.log->append(context_, events(2))), Errc::unavailable);
  database_->super("DROP TRIGGER die ON app.audit; DROP FUNCTION public.die()");
  append(one, events(2));
  auto judge = judged();
  EXPECT_THAT(judge.finish(), IsEmpty());
  EXPECT_EQ(judge.chains(), 2);
}

TEST_F(AuditPg, AnIdleConnectionThatDiesLosesNothingAndLeavesNoGap) {
  auto one = process();
  append(one, events(2));
  database_->super("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                   "current_database() AND usename = 'app_user'");
  append(one, events(2));
  auto judge = judged();
  EXPECT_THAT(judge.finish(), IsEmpty());
  EXPECT_EQ(judge.records(), 4);
}

TEST_F(AuditPg, ADatabaseThatTakesNoWritesIsAnOutage) {
  auto bound = process(" options='-c default_transaction_read_only=on'");
  const auto code = outage_of(bound.log->append(context_, events(1)));
  EXPECT_EQ(code, Errc::unavailable);
  EXPECT_THAT(records({}), IsEmpty());
}

TEST_F(AuditPg, ChecksTheEndsOfDeadProcessesAndOnlyWhereItIsDue) {
  {
    auto dead = process();
    append(dead, events(4));
  }
  auto one = process();
  EXPECT_EQ(sign(one, now_ms, std::chrono::hours(1)), 1u);  // there was none
  append(one, events(1));
  EXPECT_EQ(sign(one, now_ms + 1, std::chrono::hours(1)), 1u);  // a new chain
  append(one, events(1));
  EXPECT_EQ(sign(one, now_ms + 2, std::chrono::hours(1)), 0u);
  EXPECT_EQ(sign(one, now_ms + 2 + hour_ms, std::chrono::hours(1)), 1u);
  append(one, events(1));
  // A clock that was set back must not put checkpoints off for ever.
  EXPECT_EQ(sign(one, now_ms - hour_ms, std::chrono::hours(1)), 1u);
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_EQ(judged().unsigned_records(), 0);
}

TEST_F(AuditPg, FindsRecordsByUserDocumentRequestAndTime) {
  auto one = process();
  append(one, events(3));
  auto other = events(1, now_ms + hour_ms);
  other[0].who = tenant("bob");
  other[0].action = "memory.delete";
  append(one, other);
  const audit::Marks marks(keyring_.audit_key());
  EXPECT_EQ(records({}).size(), 4u);
  EXPECT_EQ(records({.tenant = marks.tenant(tenant("bob"))}).size(), 1u);
  EXPECT_EQ(records({.request_id = "r-0"}).size(), 2u);
  EXPECT_EQ(records({.since_ms = now_ms + 1, .until_ms = now_ms + hour_ms}).size(), 2u);
  EXPECT_EQ(records({.action = "memory.delete"}).size(), 1u);
  EXPECT_EQ(records({.document = marks.document(tenant("alice"), "plan \"b\"\n")}).size(), 3u);
  EXPECT_EQ(records({.document = marks.document(tenant("alice"), "other")}).size(), 0u);
}

TEST_F(AuditPg, PrunesOldBeginningsAndTheRestStaysVerifiable) {
  auto one = process(), two = process();
  append(one, events(3));
  append(one, events(3, now_ms + 24 * hour_ms));
  append(one, events(1));  // a clock that was set back: behind younger ones it stays
  append(two, events(2));
  const auto prune = [&](std::int64_t before_ms) {
    const auto pruned = pruned_before(before_ms);
    EXPECT_TRUE(pruned) << pruned.error().message;
    return pruned ? pruned->records : -1;
  };
  EXPECT_EQ(prune(now_ms + hour_ms), 0);  // nothing was signed yet
  sign(one);
  EXPECT_EQ(prune(now_ms + hour_ms), 5);
  EXPECT_EQ(prune(now_ms + hour_ms), 0);
  EXPECT_EQ(records({}).size(), 4u);
  append(two, events(1, now_ms + 48 * hour_ms));
  sign(two);
  EXPECT_THAT(findings(), IsEmpty());
  database_->super("DELETE FROM app.audit WHERE seq = 4");
  EXPECT_THAT(findings(), ElementsAre(Finding::Kind::missing));
}

// A forged beginning that prune signs would be genuine from then on.
TEST_F(AuditPg, PrunesNothingOfALogThatWasChanged) {
  const char* deeds[]{
      "UPDATE app.audit SET at = '2000-01-01'",  // makes young records old enough
      "DELETE FROM app.audit WHERE seq = 2",
      "DELETE FROM app.audit WHERE seq > 2",
      ("INSERT INTO app.audit_checkpoints SELECT 2, at, 'pruned', chain, 1, link, link, signature "
       "FROM app.audit_checkpoints")};
  for (const auto* deed : deeds) {
    database_->super("TRUNCATE app.audit, app.audit_checkpoints");
    auto one = process();
    append(one, events(3));
    append(one, events(3, now_ms + 24 * hour_ms));
    sign(one);
    database_->super(deed);
    const auto before = records({}).size();
    const auto pruned = pruned_before(now_ms + hour_ms);
    ASSERT_FALSE(pruned) << deed;
    EXPECT_EQ(pruned.error().code, Errc::signature_invalid);
    EXPECT_EQ(records({}).size(), before) << deed;
    EXPECT_THAT(findings(), testing::Not(IsEmpty())) << deed;
  }
}

// What is old goes all the same where an operator says so; what is young is found as before.
TEST_F(AuditPg, PrunesPastFindingsWhereThatIsSaid) {
  const auto prepared = [&](const char* deed) {
    database_->super("TRUNCATE app.audit, app.audit_checkpoints");
    auto one = process(), two = process();
    append(one, events(3));
    append(two, events(3));
    sign(two);
    append(one, events(3, now_ms + 24 * hour_ms));
    sign(one, now_ms + 24 * hour_ms);
    database_->super(deed);
    EXPECT_THAT(findings(), testing::Not(IsEmpty())) << deed;
    EXPECT_FALSE(pruned_before(now_ms + hour_ms)) << deed;
  };
  const std::string old_chain = "(SELECT chain FROM app.audit GROUP BY chain HAVING count(*) = 3)";
  const std::vector<std::string> deeds{
      "DELETE FROM app.audit WHERE seq = 2 AND chain = " + old_chain,
      "UPDATE app.audit SET actor = 'x' WHERE seq = 2",
      "DELETE FROM app.audit WHERE seq > 1 AND chain = " + old_chain,
      "DELETE FROM app.audit WHERE chain = " + old_chain};
  for (const auto& deed : deeds) {
    prepared(deed.c_str());
    const auto pruned = pruned_before(now_ms + hour_ms, true);
    ASSERT_TRUE(pruned) << deed << ": " << pruned.error().message;
    EXPECT_EQ(pruned->chains, 2) << deed;
    EXPECT_THAT(findings(), IsEmpty()) << deed;
    EXPECT_EQ(records({}).size(), 3u) << deed;
  }
  prepared("UPDATE app.audit SET actor = 'x' WHERE seq = 5");
  EXPECT_TRUE(pruned_before(now_ms + hour_ms, true));
  EXPECT_THAT(findings(), ElementsAre(Finding::Kind::changed));
}

// Any role that may connect can take the lock, so no checkpoint would ever come, and nobody knew.
TEST_F(AuditPg, AStrangerWhoHoldsTheLockOfTheCheckpointsIsNamed) {
  auto one = process();
  append(one, events(2));
  pqxx::connection stranger(database_->app_dsn());
  pqxx::work holding(stranger);
  const auto pid = holding.exec("SELECT pg_backend_pid(), pg_advisory_xact_lock("
                                "hashtextextended('memseal.audit_checkpoints', 0))")[0][0]
                       .as<std::string>();
  constexpr std::chrono::seconds every(3'600);
  const auto held = "session " + pid + " of role app_user";
  EXPECT_EQ(checkpointed(one, now_ms, every).held_by, held);
  EXPECT_EQ(postgres::audit_lock_holder(database_->app_dsn()).value(), held);
  holding.commit();
  EXPECT_EQ(checkpointed(one, now_ms, every).made, 1u);
  EXPECT_EQ(postgres::audit_lock_holder(database_->app_dsn()).value(), "");
  // While a checkpoint is not long due, whoever has the lock may be another process.
  append(one, events(1));
  pqxx::work again(stranger);
  again.exec("SELECT pg_advisory_xact_lock(hashtextextended('memseal.audit_checkpoints', 0))");
  EXPECT_EQ(checkpointed(one, now_ms + hour_ms, every).held_by, "");
  EXPECT_EQ(checkpointed(one, now_ms + 2 * hour_ms, every).held_by, held);
}

// The role that serves may add rows, and so may whoever has its password.
TEST_F(AuditPg, AForgedRowInThePlaceOfTheNextOneStopsNoRecord) {
  auto one = process();
  append(one, events(2));
  const auto forge = [&](int place) {
    pqxx::connection session(database_->app_dsn());
    pqxx::work tx(session);
    tx.exec(
        "INSERT INTO app.audit (chain, seq, at, action, outcome, status, tenant, actor, "
        "address, request_id, documents, count, link) SELECT chain, $1::bigint, now(), 'forged', "
        "'done', 200, '', '', '', '', '', 0, link FROM app.audit WHERE seq = 2",
        pqxx::params{place});
    tx.commit();
  };
  forge(3);
  append(one, events(2));
  append(one, events(1));
  const auto told = records({.action = "audit.conflict"});
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].seq, 1);
  EXPECT_EQ(told[0].request_id, records({.action = "forged"}).at(0).chain.to_string());
  EXPECT_EQ(records({.action = "memory.query"}).size(), 5u);
  EXPECT_THAT(findings(), ElementsAre(Finding::Kind::changed)) << "the forged row alone";
}

// Rows that somebody wrote and never commits have the next places.
TEST_F(AuditPg, ATransactionThatStaysOpenStopsNoRecordAndIsNamed) {
  auto one = process();
  append(one, events(2));
  EXPECT_EQ(sign(one), 1u);
  pqxx::connection stranger(database_->app_dsn());
  pqxx::work holding(stranger);
  holding.exec("INSERT INTO app.audit (chain, seq, at, action, outcome, status, tenant, actor, "
               "address, request_id, documents, count, link) SELECT chain, 3, now(), 'forged', "
               "'done', 200, '', '', '', '', '', 0, link FROM app.audit WHERE seq = 2");
  holding.exec("INSERT INTO app.audit_checkpoints (n, at, kind, chain, seq, link, previous, "
               "signature) SELECT 2, at, kind, chain, 9, link, previous, signature "
               "FROM app.audit_checkpoints");
  const auto pid = holding.exec("SELECT pg_backend_pid()").one_field().as<std::string>();
  append(one, events(2));
  EXPECT_EQ(records({.action = "audit.conflict"}).size(), 1u);
  EXPECT_EQ(records({.action = "memory.query"}).size(), 4u);
  const auto signed_now = checkpointed(one, now_ms, std::chrono::seconds(0));
  EXPECT_EQ(signed_now.made, 0u);
  EXPECT_EQ(signed_now.held_by, "session " + pid + " of role app_user");
  holding.abort();
  EXPECT_EQ(sign(one), 1u);
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(AuditPg, AForgedCheckpointKeepsNoCheckpointAway) {
  auto one = process();
  append(one, events(2));
  EXPECT_EQ(sign(one), 1u);
  for (const auto* number : {"9223372036854775807", "9223372036854775806", "2"}) {
    pqxx::connection session(database_->app_dsn());
    pqxx::work tx(session);
    tx.exec(
        "INSERT INTO app.audit_checkpoints (n, at, kind, chain, seq, link, previous, signature)"
        " SELECT $1::bigint, '2100-01-01', kind, chain, 9223372036854775807, link, previous, "
        "signature "
        "FROM app.audit_checkpoints WHERE n = 1",
        pqxx::params{std::string(number)});
    tx.commit();
  }
  append(one, events(2));
  EXPECT_EQ(judged().unsigned_records(), 2);
  EXPECT_EQ(sign(one, now_ms + hour_ms, std::chrono::hours(1)), 1u) << "due, whatever 2100 says";
  EXPECT_EQ(sign(one), 0u) << "nothing grew";
  auto judge = judged();
  EXPECT_EQ(judge.unsigned_records(), 0);
  EXPECT_EQ(judge.checkpoints(), 3) << "the one behind the number that was taken";
  EXPECT_EQ(judge.finish().size(), 3u) << "the forgeries, and not the number that one of them took";
  // What a forged one says is signed is not deleted; once its owner has removed it, all is well.
  append(one, events(2));
  EXPECT_EQ(pruned_before(now_ms + hour_ms, true).value().records, 4);
  database_->super("DELETE FROM app.audit_checkpoints WHERE at > '2099-01-01'");
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_EQ(judged().unsigned_records(), 2);
}

}  // namespace
}  // namespace memseal::test
