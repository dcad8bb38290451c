#include "adapters/postgres/restore.hpp"

#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/migrator.hpp"
#include "adapters/postgres/internal/run_command.hpp"

#include <algorithm>

namespace memseal::postgres {

namespace {

// As 0001_init makes them. A role of another name gets no right to log in.
std::string attributes_of(const std::string& role) {
  const std::string none = " NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION";
  if (role == "app_user") return "LOGIN NOINHERIT" + none;
  return (role == "memory_migrator" ? "LOGIN" : "NOLOGIN") + none;
}

/// Makes the roles that are missing. Returns those that memseal knows nothing about.
std::vector<std::string> make_roles(pqxx::work& tx, std::vector<std::string> wanted) {
  std::vector<std::string> strangers;
  const std::vector<std::string> own{"memory_owner", "memory_migrator", "app_user"};
  wanted.insert(wanted.end(), own.begin(), own.end());
  for (const auto& role : wanted) {
    if (!tx.exec("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1", pqxx::params{role})
             .empty())
      continue;
    tx.exec("CREATE ROLE " + tx.quote_name(role) + " " + attributes_of(role));
    if (std::count(own.begin(), own.end(), role))
      tx.exec("COMMENT ON ROLE " + tx.quote_name(role) + " IS 'made by memseal migrate'");
    else
      strangers.push_back(role);
  }
  // Roles belong to the cluster and are in no dump of a database, so grants between them must be
  // made again.
  if (!tx.exec("SELECT pg_catalog.pg_has_role('memory_migrator', 'memory_owner', 'MEMBER')")
           .one_field()
           .as<bool>())
    tx.exec("GRANT memory_owner TO memory_migrator");
  return strangers;
}

/// "12 rows in app.documents, 340 in …" of a database that is in use; empty: nothing is there.
std::string what_is_there(pqxx::work& tx) {
  if (tx.exec("SELECT to_regnamespace('app') IS NOT NULL").one_field().as<bool>()) {
    const auto bytes =
        tx.exec("SELECT pg_size_pretty(coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0)) "
                "FROM pg_catalog.pg_class c WHERE c.relnamespace = to_regnamespace('app') "
                "AND c.relkind = 'r'")
            .one_field();
    return "schema app with " + std::string(bytes.c_str());
  }
  return tx.exec("SELECT 1 FROM memseal.app_migrations LIMIT 1").empty() ? "" : "migrations";
}

void make_empty(pqxx::work& tx, bool force) {
  const auto found = what_is_there(tx);
  if (found.empty()) return;
  if (!force)
    refuse(Errc::bad_config, "the database is not empty: " + found +
                                 " is there. Name an empty database, or add --force to delete it");
  tx.exec("DROP SCHEMA IF EXISTS app CASCADE");
  tx.exec("DELETE FROM memseal.app_migrations");
}

std::string plural_of(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

struct RestoreTarget::State {
  explicit State(const MigrateOptions& given) : options(given), migrator(options) {}

  const MigrateOptions options;
  Migrator migrator;
  int server_major = 0;
  std::vector<std::string> notes;
};

RestoreTarget::RestoreTarget() = default;
RestoreTarget::~RestoreTarget() = default;
int RestoreTarget::server_major() const noexcept { return state_->server_major; }
const std::vector<std::string>& RestoreTarget::notes() const noexcept { return state_->notes; }

Result<std::unique_ptr<RestoreTarget>> RestoreTarget::open(const MigrateOptions& options,
                                                           const BackupFacts& facts, bool force) {
  return run_command([&] {
    std::unique_ptr<RestoreTarget> target(new RestoreTarget);
    target->state_ = std::make_unique<State>(options);
    auto& state = *target->state_;
    const int known = state.migrator.newest_file();
    if (facts.schema_version > known)
      refuse(Errc::bad_config,
             "the backup has schema version " + std::to_string(facts.schema_version) +
                 ", and this memseal knows " + std::to_string(known) + ": use a newer release");
    state.server_major = state.migrator.server_version() / 10'000;
    if (facts.server_major() > state.server_major)
      refuse(Errc::bad_config,
             "the backup is of PostgreSQL " + std::to_string(facts.server_major()) +
                 ", and this server is " + std::to_string(state.server_major) +
                 ": restore into one of the same version or a newer one");
    // The lock of migrations: nobody may migrate a schema that is being filled.
    state.migrator.lock();
    state.migrator.prepare();
    // The dump names the type with its schema. Found only by the data, this would fail after
    // minutes.
    if (state.migrator.vector_schema() != facts.vector_schema)
      refuse(Errc::bad_config, "pgvector must lie in schema " + facts.vector_schema +
                                   ", as it did where the backup was taken, and lies in " +
                                   state.migrator.vector_schema());
    state.migrator.run("preparation", [&](pqxx::work& tx) {
      make_empty(tx, force);
      const auto strangers = make_roles(tx, facts.roles);
      if (!strangers.empty())
        state.notes.push_back("made without the right to log in, because something was granted to "
                              "them: " + plural_of(strangers));
      tx.exec("GRANT USAGE ON SCHEMA " + state.migrator.vector_schema() +
              " TO memory_owner, app_user");
    });
    const auto& more = state.migrator.notes();
    state.notes.insert(state.notes.end(), more.begin(), more.end());
    return target;
  });
}

Result<void> RestoreTarget::finish(const BackupFacts& facts) {
  const auto finished = run_command([&] {
    auto& migrator = state_->migrator;
    migrator.run("settings of app_user", [&](pqxx::work& tx) {
      const auto database =
          tx.exec("SELECT quote_ident(current_database())").one_field().as<std::string>();
      for (const auto& setting : facts.role_settings) {
        const auto equals = setting.find('=');
        if (equals == std::string::npos) continue;
        auto value = setting.substr(equals + 1);
        if (value == "\"\"") value.clear();  // an empty search_path, as the catalog spells it
        tx.exec("ALTER ROLE app_user IN DATABASE " + database + " SET " +
                tx.quote_name(setting.substr(0, equals)) + " = " + tx.quote(value));
      }
    });
    migrator.set_password();
    // A dump holds no statistics.
    migrator.run("statistics", [](pqxx::work& tx) {
      for (const auto& row : tx.exec("SELECT c.oid::regclass::text FROM pg_catalog.pg_class c "
                                     "WHERE c.relnamespace = to_regnamespace('app') "
                                     "AND c.relkind = 'r'"))
        tx.exec("ANALYZE " + std::string(row[0].c_str()));
    });
    return true;
  });
  if (!finished) return finished.error();
  return {};
}

Result<void> drop_restored(const std::string& dsn) {
  const auto dropped = run_command([&] {
    auto session = open_connection(dsn, Access::write);
    session.set_notice_handler([](pqxx::zview) noexcept {});
    pqxx::work tx(session);
    tx.exec("DROP SCHEMA IF EXISTS app, memseal CASCADE");
    tx.commit();
    return true;
  });
  if (!dropped) return dropped.error();
  return {};
}

}  // namespace memseal::postgres
