#include "adapters/postgres/migrate.hpp"

#include "adapters/postgres/internal/migrator.hpp"
#include "adapters/postgres/internal/run_command.hpp"

#include <map>

namespace memseal::postgres {

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
    std::map<int, double> seconds;
    for (const auto* file : migrator.pending()) seconds[file->version] = migrator.apply(*file);
    migrator.load();
    migrator.record_fingerprint();
    migrator.check_isolation();
    migrator.set_password();
    for (auto& line : migrator.lines()) {
      const auto applied = seconds.find(line.version);
      if (applied == seconds.end()) continue;
      line.seconds = applied->second;
      report.done.push_back(line);
    }
    report.version = migrator.version();
    migrator.note_rewrite(report.done);
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
    const auto files = migrator.revertible();
    report.lost = migrator.lost_by(files);
    if (!report.lost.empty() && !options.lose_data)
      refuse(Errc::bad_request, "this would delete " + describe(report.lost) +
                                    ": take a backup (`memseal backup create`), then add --force");
    for (const auto* file : files) {
      const auto seconds = migrator.revert(*file);
      report.done.push_back({file->version, file->name, false, false, {}, seconds});
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
    for (const auto* file : migrator.pending()) report.done.push_back(migrator.plan(*file));
    report.version = migrator.version();
    migrator.note_rewrite(report.done);
    report.notes = migrator.notes();
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

}  // namespace memseal::postgres
