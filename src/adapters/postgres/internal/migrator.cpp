#include "adapters/postgres/internal/migrator.hpp"

#include "adapters/postgres/internal/catalog_lint.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/errors.hpp"
#include "adapters/postgres/internal/migration_plan.hpp"
#include "adapters/postgres/internal/pooler.hpp"
#include "adapters/postgres/row_rewrite.hpp"

#include <algorithm>
#include <chrono>

namespace memseal::postgres {

namespace {

template <class T>
T value_or_refuse(Result<T> result) {
  if (!result) throw_failure(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

bool has(pqxx::transaction_base& tx, const char* table) {
  return tx.exec("SELECT to_regclass($1) IS NOT NULL", pqxx::params{table})
      .one_field()
      .as<bool>();
}

Settings settings(pqxx::transaction_base& tx) {
  Settings recorded;
  if (!has(tx, "app.settings")) return recorded;
  for (const auto& row : tx.exec("SELECT key, value FROM app.settings")) {
    recorded.emplace(row[0].c_str(), row[1].c_str());
  }
  return recorded;
}

// The first migration makes app.settings, and its `down` drops the table again.
void record_version(pqxx::transaction_base& tx, int version) {
  if (!has(tx, "app.settings")) return;
  tx.exec("INSERT INTO app.settings (key, value) VALUES ($1, $2) "
          "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
          pqxx::params{setting::schema_version, std::to_string(version)});
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void refuse_findings(const std::string& name, const std::vector<LintFinding>& findings) {
  if (findings.empty()) return;
  refuse(Errc::internal, name + " was not applied, because the catalog lint found: " +
                             describe(findings));
}

// Lets an administrator who is no superuser act as the owner of the tables. A managed PostgreSQL
// has no other administrator. One who made a role may grant it, but acts as it only once it is
// granted: from PostgreSQL 16 on a membership may lack that option (SET). A superuser needs none.
// The attributes and the comment are those that 0001_init gives a role that is missing.
constexpr const char* become_owner_sql = R"sql(
DO $roles$
DECLARE
  able boolean;
BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    RETURN;
  END IF;
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'memory_owner') THEN
      CREATE ROLE memory_owner NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE
        NOREPLICATION;
      COMMENT ON ROLE memory_owner IS 'made by memseal migrate';
    END IF;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of the cluster made the role at this moment
  END;
  able := pg_catalog.pg_has_role(current_user, 'memory_owner',
    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END);
  IF NOT able THEN
    GRANT memory_owner TO CURRENT_USER;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format(
    'the role %I may not act as memory_owner: let an administrator of the cluster run '
    '"CREATE ROLE memory_owner NOLOGIN", where that role is missing, and '
    '"GRANT memory_owner TO %I" (%s)', current_user, current_user, SQLERRM);
END
$roles$
)sql";

}  // namespace

Migrator::Migrator(const MigrateOptions& options)
    : options_(options),
      files_(value_or_refuse(read_migrations(options.directory))),
      session_(open_connection(options.dsn, Access::write)) {
  session_.set_verbosity(pqxx::error_verbosity::terse);
  session_.set_notice_handler([](pqxx::zview) noexcept {});
  // Before the settings, which would stay on a session that others are lent.
  refuse_pooler_of_transactions(session_, options.dsn);
  // No search path, so that no name finds an object that another role planted. Two seconds for a
  // lock, because every query on a table waits behind a migration that waits for it. No limit for a
  // statement, because an index may take long to build.
  pqxx::nontransaction setup(session_);
  setup.exec("SET search_path = ''; SET lock_timeout = '2s'; SET statement_timeout = 0; "
             "SET client_min_messages = warning");
}

// PostgreSQL's DDL is transactional, so a migration that fails leaves nothing behind.
template <class Work>
void Migrator::in_transaction(const std::string& what, const Work& work) {
  try {
    pqxx::work tx(session_);
    work(tx);
    tx.commit();
  } catch (const pqxx::sql_error& failed) {
    refuse(Errc::internal, what + ": " + first_line(failed.what()) + " (SQLSTATE " +
                               sqlstate_of(failed) + "); all its changes were rolled back");
  }
}

void Migrator::run(const std::string& what, const std::function<void(pqxx::work&)>& work) {
  in_transaction(what, work);
}

// A lock of the session, because it spans several transactions. lock_timeout bounds the wait. The
// number only has to be the same in every memseal.
void Migrator::lock() {
  try {
    pqxx::nontransaction tx(session_);
    tx.exec("SELECT pg_advisory_lock(30802512171852140)");
  } catch (const pqxx::sql_error&) {
    refuse(Errc::unavailable,
           "another `memseal migrate` is running on this database: try again later");
  }
}

void Migrator::prepare() {
  pqxx::work tx(session_);
  if (!has(tx, "memseal.app_migrations")) {
    tx.exec("CREATE SCHEMA IF NOT EXISTS memseal");
    tx.exec("CREATE TABLE memseal.app_migrations (version integer PRIMARY KEY, "
            "name text NOT NULL, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())");
  }
  tx.commit();
  in_transaction("roles", [](pqxx::work& roles) { roles.exec(become_owner_sql); });
  prepare_vector();
}

void Migrator::load() {
  pqxx::work tx(session_);
  applied_.clear();
  // The table is missing before the first `up`.
  if (!has(tx, "memseal.app_migrations")) return;
  for (const auto& row : tx.exec(
           "SELECT version, name, checksum, to_char(applied_at AT TIME ZONE 'UTC', "
           "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM memseal.app_migrations")) {
    applied_[row[0].as<int>()] = {row[1].c_str(), row[2].c_str(), row[3].c_str()};
  }
}

void Migrator::check_files() const {
  for (const auto& [version, recorded] : applied_) {
    const auto* file = find(version);
    if (!file) {
      refuse(Errc::bad_config, "the database has migration " + recorded.name +
                                   ", which is not in this directory: use a newer memseal");
    }
    if (file->checksum != recorded.checksum) {
      refuse(Errc::bad_config, file->name +
                                   ".up.sql has changed since it was applied: "
                                   "restore the file, and put the change into a new migration");
    }
  }
}

void Migrator::check_target() const {
  if (options_.to && (*options_.to < 0 || *options_.to > static_cast<int>(files_.size()))) {
    refuse(Errc::bad_config, "there is no migration " + std::to_string(*options_.to) +
                                 ": the newest is " + std::to_string(files_.size()));
  }
}

// Vectors of another length fit no column, and those of another model cannot be compared.
void Migrator::check_fingerprint() {
  pqxx::work tx(session_);
  value_or_refuse(compare_fingerprints(settings(tx), fingerprint(), options_.kek_current));
}

std::vector<const MigrationFile*> Migrator::pending() const {
  std::vector<const MigrationFile*> files;
  const int last = options_.to.value_or(static_cast<int>(files_.size()));
  for (const auto& file : files_) {
    if (file.version <= last && !applied_.contains(file.version)) files.push_back(&file);
  }
  return files;
}

std::vector<const MigrationFile*> Migrator::revertible() const {
  std::vector<const MigrationFile*> files;
  const int last = options_.to.value_or(std::max(version() - 1, 0));
  for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
    if (file->version > last && applied_.contains(file->version)) {
      files.push_back(&*file);
    }
  }
  return files;
}

double Migrator::apply(const MigrationFile& file) {
  const auto start = std::chrono::steady_clock::now();
  in_transaction(file.name + ".up.sql", [&](pqxx::work& tx) {
    tx.exec(rendered(file.up));
    tx.exec("INSERT INTO memseal.app_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            pqxx::params{file.version, file.name, file.checksum});
    record(tx, file.version);
    // Inside the transaction, so that a migration which opens a hole between tenants is undone.
    check(tx, &file);
    refuse_findings(file.name, lint_catalog(tx));
  });
  return seconds_since(start);
}

double Migrator::revert(const MigrationFile& file) {
  const auto start = std::chrono::steady_clock::now();
  in_transaction(file.name + ".down.sql", [&](pqxx::work& tx) {
    tx.exec(rendered(file.down));
    tx.exec("DELETE FROM memseal.app_migrations WHERE version = $1", pqxx::params{file.version});
    record_version(tx, file.version - 1);
    check(tx, find(file.version - 1));
  });
  return seconds_since(start);
}

// The check of the version that the database has now.
void Migrator::check(pqxx::transaction_base& tx, const MigrationFile* file) const {
  if (!file || file->check.empty()) return;
  const auto faults = tx.exec(rendered(file->check));
  if (!faults.empty())
    refuse(Errc::internal, file->name + ".check.sql: " + faults[0][0].c_str() +
                               "; all changes of this step were rolled back");
}

MigrationLine Migrator::plan(const MigrationFile& file) {
  auto planned = line(file);
  pqxx::read_transaction tx(session_);
  const auto vector = tx.exec("SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e "
                              "JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace "
                              "WHERE e.extname = 'vector'");
  // Where it is missing, `up` creates it there.
  vector_schema_ = vector.empty() ? "public" : vector[0][0].c_str();
  plan_statements(tx, rendered(file.up), planned);
  return planned;
}

std::vector<LostData> Migrator::lost_by(const std::vector<const MigrationFile*>& files) {
  std::vector<DataLoss> losses;
  for (const auto* file : files)
    for (auto& loss : losses_of(split_statements(file->down))) losses.push_back(std::move(loss));
  return count_lost(session_, losses);
}

void Migrator::note_rewrite(const std::vector<MigrationLine>& done) {
  const auto leaves_rows = [](const MigrationLine& line) { return line.name == "0011_row_layout"; };
  if (std::none_of(done.begin(), done.end(), leaves_rows)) return;
  if (options_.dimension >= rewrite_dimensions_end) return;
  pqxx::read_transaction tx(session_);
  const auto rows = tx.exec("SELECT coalesce(max(reltuples), 0)::bigint FROM pg_catalog.pg_class "
                            "WHERE oid = to_regclass('app.memory_chunks')")
                        .one_field()
                        .as<std::int64_t>();
  if (rows <= 0) return;
  notes_.push_back("about " + std::to_string(rows) + " chunks keep the layout of before 0011: run "
                   "`memseal migrate rewrite` at any time; others read and write meanwhile");
}

void Migrator::record_fingerprint() {
  if (applied_.empty()) return;
  in_transaction("settings", [&](pqxx::work& tx) { record(tx, applied_.rbegin()->first); });
}

// Also where nothing was pending, because somebody may have changed the schema by hand since.
void Migrator::check_isolation() {
  if (applied_.empty()) return;
  in_transaction("catalog lint", [](pqxx::work& tx) {
    if (const auto sound = postgres::check_isolation(lint_catalog(tx)); !sound)
      throw_failure(sound.error());
  });
}

// Hash the password here, so that it never reaches the server's log.
void Migrator::set_password() {
  if (options_.app_user_password.empty()) return;
  const auto hashed =
      session_.encrypt_password("app_user", options_.app_user_password, "scram-sha-256");
  in_transaction("password of app_user", [&](pqxx::work& tx) {
    tx.exec("ALTER ROLE app_user PASSWORD " + tx.quote(hashed));
  });
}

MigrationLine Migrator::line(const MigrationFile& file) const {
  MigrationLine shown{file.version, file.name, false, false, {}};
  if (const auto found = applied_.find(file.version); found != applied_.end()) {
    shown.applied = true;
    shown.changed = found->second.checksum != file.checksum;
    shown.applied_at = found->second.at;
  }
  return shown;
}

std::vector<MigrationLine> Migrator::lines() const {
  std::vector<MigrationLine> shown;
  for (const auto& file : files_) shown.push_back(line(file));
  for (const auto& [version, recorded] : applied_) {
    if (!find(version)) shown.push_back({version, recorded.name, true, true, recorded.at});
  }
  return shown;
}

const MigrationFile* Migrator::find(int version) const {
  // read_migrations() refuses gaps, so a version is its index plus one.
  const auto at = static_cast<std::size_t>(version - 1);
  return version >= 1 && at < files_.size() ? &files_[at] : nullptr;
}

std::string Migrator::rendered(std::string sql) const {
  sql = substitute(std::move(sql), "dimension", std::to_string(options_.dimension));
  return substitute(std::move(sql), "vector", vector_schema_);
}

void Migrator::prepare_vector() {
  pqxx::work tx(session_);
  constexpr const char* find_extension =
      "SELECT quote_ident(n.nspname), e.extversion, "
      "string_to_array(e.extversion, '.')::int[] >= '{0,7,0}', "
      "string_to_array(e.extversion, '.')::int[] >= '{0,8,2}' "
      "FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
      "WHERE e.extname = 'vector'";
  auto found = tx.exec(find_extension);
  if (found.empty()) {
    try {
      // An extension that is there already may lie in any schema; ${vector} names it.
      tx.exec("CREATE EXTENSION vector WITH SCHEMA public");
    } catch (const pqxx::sql_error& failed) {
      refuse(Errc::not_migrated,
             "this database has no pgvector, and creating it failed (" +
                 first_line(failed.what()) +
                 "): install pgvector on the server, and let a superuser run CREATE EXTENSION "
                 "vector in this database");
    }
    found = tx.exec(find_extension);
  }
  vector_schema_ = found[0][0].c_str();
  const std::string version = found[0][1].c_str();
  if (!found[0][2].as<bool>()) {
    refuse(Errc::not_migrated, "pgvector " + version + " is too old: 0.7.0 or later is needed");
  }
  if (!found[0][3].as<bool>()) {
    notes_.push_back("pgvector " + version + " is older than 0.8.2: index builds must not run in "
                     "parallel (max_parallel_maintenance_workers = 0)");
  }
  tx.commit();
}

void Migrator::record(pqxx::transaction_base& tx, int version) const {
  if (!has(tx, "app.settings")) return;
  record_version(tx, version);
  for (const auto& [key, value] : fingerprint()) {
    // What is recorded stays: check_fingerprint() has compared it.
    tx.exec("INSERT INTO app.settings (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            pqxx::params{key, value});
  }
}

}  // namespace memseal::postgres
