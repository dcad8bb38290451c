#include "adapters/postgres/key_table.hpp"

#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/fingerprint.hpp"
#include "adapters/postgres/internal/key_row.hpp"
#include "adapters/postgres/internal/run_command.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "pure/codec/hex.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace memseal::postgres {

namespace {

// The KEK that the row had is compared, so that of two commands that rotate at once the later one
// changes nothing.
constexpr Statement rewrap_key{
    "keys_rewrap",
    "UPDATE app.tenant_keys SET kek_epoch = $1, wrapped = $2 "
    "WHERE user_hash = (SELECT app.tenant()) AND key_id = $3 AND kek_epoch = $4"};

UserHash hash_of(std::string_view hex) {
  const auto bytes = codec::decode_hex(hex);
  UserHash hash;
  if (!bytes || bytes->size() != hash.bytes.size())
    throw_failure({Errc::internal, "a row of app.tenant_keys names no user hash"});
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return hash;
}

bool is_contention(std::string_view sqlstate) {
  return sqlstate == "55P03" || sqlstate == "40P01" || sqlstate == "40001";
}

// One text for a whole batch, because a round trip for each tenant would take most of the time. The
// rows come as a setting that a parameter fills, because the server logs the text of a statement
// that fails, and no wrapped key may stand there. Nothing is prepared, so a pooler may lend another
// session for the next batch. Row-level security binds each change to its tenant.
std::string rewrap_batch_sql() {
  return std::string("DO $batch$ DECLARE one jsonb; changed bigint; total bigint := 0; BEGIN "
                     "FOR one IN SELECT pg_catalog.jsonb_array_elements("
                     "pg_catalog.current_setting('memseal.rewrap')::jsonb) LOOP "
                     "PERFORM pg_catalog.set_config('app.user_hash', one->>0, true); "
                     "EXECUTE $change$") +
         std::string(rewrap_key.sql) +
         "$change$ USING (one->>1)::bigint, pg_catalog.decode(one->>2, 'hex'), "
         "(one->>3)::bigint, (one->>4)::bigint; "
         "GET DIAGNOSTICS changed = ROW_COUNT; total := total + changed; END LOOP; "
         "PERFORM pg_catalog.set_config('memseal.rewrapped', total::text, true); END $batch$";
}

/// Returns how many rows changed.
std::int64_t rewrap_batch(pqxx::work& tx, const std::vector<ports::KeyTable::Change>& changes) {
  std::string rows;
  rows.reserve(changes.size() * 400);
  for (const auto& [before, after] : changes)
    rows += (rows.empty() ? "[[\"" : ",[\"") + before.owner.to_hex() + "\"," +
            std::to_string(after.kek_epoch) + ",\"" +
            to_hex(after.wrapped.data(), after.wrapped.size()) + "\"," +
            std::to_string(before.key.key_id) + "," + std::to_string(before.key.kek_epoch) + "]";
  tx.exec("SELECT set_config('memseal.rewrap', $1, true)", pqxx::params{rows + "]"});
  static const std::string sql = rewrap_batch_sql();
  tx.exec(sql);
  return tx.exec("SELECT current_setting('memseal.rewrapped')").one_field().as<std::int64_t>();
}

/// The same for every session of one database, also on its standbys.
std::string database_identity(pqxx::transaction_base& tx) {
  return tx
      .exec("SELECT c.system_identifier::text || ' ' || d.oid::text "
            "FROM pg_catalog.pg_control_system() c, pg_catalog.pg_database d "
            "WHERE d.datname = pg_catalog.current_database()")
      .one_field()
      .as<std::string>();
}

/// Returns the newest KEK that is recorded. Throws Failure. In the transaction that changes
/// something, because an address may lead elsewhere the next time.
std::uint32_t refuse_other_keyring(pqxx::transaction_base& tx, const KeyringMark& ours) {
  Settings recorded;
  for (const auto& row : tx.exec("SELECT key, value FROM app.settings"))
    recorded.emplace(row[0].c_str(), row[1].c_str());
  if (!recorded.contains(setting::key_check))
    throw_failure({Errc::not_migrated,
                   "the database does not record which keyring it is for: run "
                   "`memseal migrate up`"});
  auto expected = fingerprint_of(0, {}, ours.tenant_key, ours.keks);
  expected.erase(setting::dimension);
  compare_fingerprints(recorded, expected, ours.kek_current).value();
  return newest_kek(recorded);
}

}  // namespace

struct PgKeyTable::Sessions {
  pqxx::connection reader;
  std::optional<pqxx::connection> writer;
};

Result<std::unique_ptr<PgKeyTable>> PgKeyTable::open(const std::string& reader_dsn,
                                                     const std::string& writer_dsn) {
  return run_command([&] {
    auto sessions = std::make_unique<Sessions>(Sessions{open_connection(reader_dsn), {}});
    pqxx::nontransaction reading(sessions->reader);
    refuse_bound_role(reading);
    if (!writer_dsn.empty()) {
      sessions->writer.emplace(open_connection(writer_dsn, Access::write));
      sessions->writer->set_notice_handler([](pqxx::zview) noexcept {});
      pqxx::nontransaction writing(*sessions->writer);
      refuse_unbound_role(writing);
    }
    return std::unique_ptr<PgKeyTable>(new PgKeyTable(std::move(sessions)));
  });
}

PgKeyTable::PgKeyTable(std::unique_ptr<Sessions> sessions) : sessions_(std::move(sessions)) {}
PgKeyTable::~PgKeyTable() = default;

std::map<std::uint32_t, std::int64_t> PgKeyTable::count_by_epoch() {
  return run_command([&] {
           pqxx::nontransaction tx(sessions_->reader);
           std::map<std::uint32_t, std::int64_t> counts;
           for (const auto& row :
                tx.exec("SELECT kek_epoch, count(*) FROM app.tenant_keys GROUP BY kek_epoch"))
             counts.emplace(row[0].as<std::uint32_t>(), row[1].as<std::int64_t>());
           return counts;
         })
      .value();
}

std::vector<ports::KeyTable::Row> PgKeyTable::read(std::optional<std::uint32_t> not_epoch,
                                                   const std::optional<Place>& after,
                                                   std::size_t rows_max) {
  return run_command([&] {
           pqxx::nontransaction tx(sessions_->reader);
           const Place start = after.value_or(Place{});
           const std::int64_t last_id = after ? start.key_id : 0;
           std::vector<Row> rows;
           for (const auto& row : tx.exec(
                    "SELECT user_hash, key_id, kek_epoch, wrapped, kcv FROM app.tenant_keys "
                    "WHERE (user_hash, key_id) > ($1::text COLLATE \"C\", $2::bigint) "
                    "AND kek_epoch <> $3::bigint ORDER BY user_hash, key_id LIMIT $4",
                    // No epoch is negative.
                    pqxx::params{start.owner.to_hex(), last_id,
                                 not_epoch ? static_cast<std::int64_t>(*not_epoch) : -1,
                                 static_cast<std::int64_t>(rows_max)}))
             rows.push_back({hash_of(row[0].view()), key_in(row, 1)});
           return rows;
         })
      .value();
}

std::int64_t PgKeyTable::replace(const std::vector<Change>& changes) {
  constexpr int tries_max = 5;
  return run_command([&] {
           for (int tries = 1;; ++tries) {
             try {
               pqxx::work tx(sessions_->writer.value());
               const auto changed = rewrap_batch(tx, changes);
               tx.commit();
               return changed;
             } catch (const pqxx::check_violation&) {
               throw_failure({Errc::key_invalid,
                              "the database does not take keys wrapped by key-encryption key " +
                                  std::to_string(changes.front().after.kek_epoch) +
                                  ", because it is retired: fetch the newest keyring"});
             } catch (const pqxx::sql_error& failed) {
               // Somebody holds a row: a tenant's key that ends now, or another rotation.
               if (!is_contention(sqlstate_of(failed)) || tries == tries_max) throw;
             }
           }
         })
      .value();
}

Result<std::uint32_t> check_databases(const std::vector<std::string>& dsns,
                                      const std::string& owner_dsn, const KeyringMark& ours) {
  return run_command([&] {
    std::uint32_t newest = 0;
    const auto look = [&](const std::string& dsn, bool as_owner) {
      auto session = open_connection(dsn);
      pqxx::work tx(session);
      if (as_owner) tx.exec("SET LOCAL ROLE memory_owner");
      newest = std::max(newest, refuse_other_keyring(tx, ours));
      return database_identity(tx);
    };
    const auto owners = look(owner_dsn, true);
    for (const auto& dsn : dsns)
      if (look(dsn, false) != owners)
        throw_failure({Errc::bad_config,
                       "postgres.dsn, postgres.backup_dsn and postgres.migrate_dsn lead to more "
                       "than one database"});
    return newest;
  });
}

Result<void> record_kek(const std::string& owner_dsn, const KeyringMark& ours,
                        std::uint32_t epoch) {
  const auto recorded = run_command([&] {
    auto session = open_connection(owner_dsn, Access::write);
    pqxx::work tx(session);
    tx.exec("SET LOCAL ROLE memory_owner");
    const auto& check = ours.keks.at(epoch);
    tx.exec("INSERT INTO app.settings (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            pqxx::params{kek_check_key(epoch), to_hex(check.data(), check.size())});
    auto next = ours;
    next.kek_current = epoch;
    // Afterwards, because of two that insert at once the later one waits, and then reads the
    // other's.
    refuse_other_keyring(tx, next);
    tx.commit();
    return true;
  });
  if (!recorded) return recorded.error();
  return {};
}

namespace {

/// Runs `work` as the owner in a transaction of its own. A wait for the table's lock makes every
/// writer behind it wait too, so each try is short, and the writers go on between two.
void as_owner(pqxx::connection& session, const std::function<void(pqxx::work&)>& work) {
  constexpr int tries_max = 20;
  for (int tries = 1;; ++tries) {
    try {
      pqxx::work tx(session);
      tx.exec("SET LOCAL lock_timeout = '300ms'");
      tx.exec("SET LOCAL ROLE memory_owner");
      work(tx);
      return tx.commit();
    } catch (const pqxx::sql_error& failed) {
      if (!is_contention(sqlstate_of(failed)) || tries == tries_max) throw;
    }
    pqxx::nontransaction(session).exec("SELECT pg_catalog.pg_sleep(0.2)");
  }
}

}  // namespace

// The constraint holds for new rows from its first transaction on, which locks the table for a
// moment. The second one reads every row while others write: PostgreSQL itself finds the last row
// that the KEK wraps. Afterwards no process can add another, whatever release and whatever keyring
// it has. A command that dies between the two leaves the constraint, which refuses new rows all the
// same; the next one puts it up again.
Result<bool> retire_kek(const std::string& owner_dsn, const KeyringMark& ours,
                        std::uint32_t epoch) {
  return run_command([&] {
    auto session = open_connection(owner_dsn, Access::write);
    session.set_notice_handler([](pqxx::zview) noexcept {});
    const auto number = std::to_string(epoch);
    const auto name = "tenant_keys_without_kek_" + number;
    const auto drop = "ALTER TABLE app.tenant_keys DROP CONSTRAINT IF EXISTS " + name;
    as_owner(session, [&](pqxx::work& tx) {
      refuse_other_keyring(tx, ours);
      tx.exec(drop);
      tx.exec("ALTER TABLE app.tenant_keys ADD CONSTRAINT " + name + " CHECK (kek_epoch <> " +
              number + ") NOT VALID");
    });
    try {
      as_owner(session, [&](pqxx::work& tx) {
        tx.exec("ALTER TABLE app.tenant_keys VALIDATE CONSTRAINT " + name);
        // A tombstone, because `migrate up` with an old copy of the keyring would record the KEK
        // again.
        tx.exec("INSERT INTO app.settings (key, value) VALUES ($1, $2) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                pqxx::params{kek_check_key(epoch), kek_retired});
      });
      return true;
    } catch (const pqxx::check_violation&) {
      as_owner(session, [&](pqxx::work& tx) { tx.exec(drop); });
      return false;
    }
  });
}

std::vector<Statement> key_table_statements() {
  return {rewrap_key};
}

}  // namespace memseal::postgres
