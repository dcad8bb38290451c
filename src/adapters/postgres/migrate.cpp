#include "adapters/postgres/migrate.hpp"

#include "adapters/postgres/internal/catalog_lint.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/errors.hpp"
#include "adapters/postgres/internal/migrator.hpp"

#include <algorithm>

namespace memseal::postgres {

namespace {

/// Runs one command and turns every failure into an Error.
template <class Command>
auto run_command(const Command& command) -> Result<decltype(command())> {
  try {
    return command();
  } catch (const memseal::Failure& refused) {
    return refused.error();
  } catch (const pqxx::broken_connection& lost) {
    return Error{Errc::unavailable, "cannot reach the database: " + first_line(lost.what())};
  } catch (const pqxx::sql_error& failed) {
    return Error{Errc::internal,
                 first_line(failed.what()) + " (SQLSTATE " + sqlstate_of(failed) + ")"};
  } catch (const pqxx::failure& failed) {
    return Error{Errc::internal, first_line(failed.what())};
  }
}

}  // namespace

// The order: arguments before the lock, the lock before any look at what is applied, and every
// check before the first change. load() comes again, because the database dates the migrations.
Result<MigrateReport> migrate_up(const MigrateOptions& options) {
  return run_command([&] {
    Migrator migrator(options);
    migrator.check_target();
    migrator.lock();
    migrator.prepare();
    migrator.load();
    migrator.check_files();
    migrator.check_fingerprint();
    MigrateReport report;
    std::vector<int> versions;
    for (const auto* file : migrator.pending()) {
      migrator.apply(*file);
      versions.push_back(file->version);
    }
    migrator.load();
    migrator.record_fingerprint();
    migrator.set_password();
    for (const auto& line : migrator.lines()) {
      if (std::count(versions.begin(), versions.end(), line.version)) report.done.push_back(line);
    }
    report.version = migrator.version();
    report.notes = migrator.notes();
    return report;
  });
}

Result<MigrateReport> migrate_down(const MigrateOptions& options) {
  return run_command([&] {
    Migrator migrator(options);
    migrator.check_target();
    migrator.lock();
    migrator.prepare();
    migrator.load();
    migrator.check_files();
    MigrateReport report;
    for (const auto* file : migrator.revertible()) {
      migrator.revert(*file);
      report.done.push_back({file->version, file->name, false, false, {}});
    }
    migrator.load();
    report.version = migrator.version();
    report.notes = migrator.notes();
    return report;
  });
}

// Takes no lock and creates nothing, because it only reads.
Result<MigrateReport> migrate_plan(const MigrateOptions& options) {
  return run_command([&] {
    Migrator migrator(options);
    migrator.check_target();
    migrator.load();
    migrator.check_files();
    migrator.check_fingerprint();
    MigrateReport report;
    for (const auto* file : migrator.pending()) report.done.push_back(migrator.line(*file));
    report.version = migrator.version();
    return report;
  });
}

Result<std::vector<MigrationLine>> migrate_status(const MigrateOptions& options) {
  return run_command([&] {
    Migrator migrator(options);
    migrator.load();
    return migrator.lines();
  });
}

Result<std::vector<LintFinding>> lint(const std::string& dsn) {
  return run_command([&] {
    auto session = open_connection(dsn);
    pqxx::read_transaction tx(session);
    // The rules compare the server's own spelling of names and expressions, which depends on the
    // search path.
    tx.exec("SET LOCAL search_path = ''");
    return lint_catalog(tx);
  });
}

}  // namespace memseal::postgres
