// `memseal backup restore`.
#include "adapters/postgres/catalog.hpp"
#include "adapters/postgres/restore.hpp"
#include "app/cli/backup_steps.hpp"
#include "app/cli/child_process.hpp"
#include "app/cli/console.hpp"
#include "app/cli/operator_audit.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/text_file.hpp"
#include "app/service/keys.hpp"
#include "app/service/migrations.hpp"
#include "pure/codec/rfc3339.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

namespace memseal::app {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

/// Ingest may have been this late when the backup was taken: what waited then is not in it.
constexpr std::int64_t ingest_late_ms = 15 * 60 * 1'000;

postgres::MigrateOptions target_of(const Config& config, const BackupOptions& options) {
  postgres::MigrateOptions target;
  target.dsn = config.postgres.migrate_dsn;
  if (target.dsn.empty())
    throw_failure({Errc::bad_config,
                   "postgres.migrate_dsn is not set: the owner's address (env " +
                       env_name("postgres.migrate_dsn") + ")",
                   "postgres.migrate_dsn"});
  target.directory = find_migrations(options.migrations).value();
  if (!options.app_password.empty()) {
    const auto text = read_secret_text(options.app_password, secret_file_bytes_max).value();
    target.app_user_password = text.substr(0, text.find('\n'));
  }
  return target;
}

// Before anything is changed, because a database without its keyring is worth nothing.
void check_keys(const Config& config, const Manifest& manifest, std::vector<std::string>& notes) {
  if (config.seal.keyring_file.empty() && config.seal.encryption_key.empty()) {
    notes.push_back("no keyring is configured, so nobody knows whether the rows open: run "
                    "`memseal verify keys` with it");
    return;
  }
  check_keyring(manifest, load_keyring(config).value()).value();
}

void check_files(const Manifest& manifest, const BackupOptions& options) {
  const bool has = manifest.find(files_part) != nullptr;
  if (has && options.files.empty())
    throw_failure({Errc::bad_config, "the backup holds files: name the directory that receives "
                                     "them with --files"});
  std::error_code missing;
  if (has && !fs::is_empty(options.files, missing) && !missing)
    throw_failure({Errc::bad_config, options.files + " is not empty"});
}

void unpack_files(const BackupOptions& options, const WorkFolder& work) {
  fs::create_directories(options.files);
  run_child({.words = {"/bin/tar", "--extract", "--same-permissions",
                       "--file=" + (fs::path(options.folder) / files_part).string(),
                       "--directory=" + options.files},
             .complaints = work / "log"})
      .value();
}

// The ledger of events is part of what was restored: an event that took effect before the backup
// is known there, so Kafka may deliver more than what is missing.
std::vector<std::string> next_steps(const Config& config, const Manifest& manifest) {
  const auto taken = manifest.database.taken_at_ms;
  auto from = codec::format_rfc3339(taken - ingest_late_ms);
  from.pop_back();  // Kafka's tool takes no zone, and reads UTC
  return {"what was written after " + codec::format_rfc3339(taken) +
              " is not here: let Kafka deliver it again, before the first process starts",
          "kafka-consumer-groups.sh --bootstrap-server " + config.kafka.brokers + " --group " +
              config.kafka.group + " --topic " + config.kafka.upload_topic + " --topic " +
              config.kafka.chat_topic + " --reset-offsets --to-datetime " + from + " --execute",
          "nothing is stored twice by that: app.ingest_events, which was restored too, knows every "
          "event that took effect before the backup",
          "users who were erased since the backup are back: erase them again",
          "then run `memseal migrate up`, `memseal doctor` and `memseal verify`"};
}

struct Restored {
  Manifest manifest;
  std::vector<std::string> notes;
};

Restored restore(const Config& config, const BackupOptions& options, ProgressLine& progress) {
  const fs::path folder(options.folder);
  auto migration = target_of(config, options);
  Restored done{read_manifest(folder).value(), {}};
  const auto& facts = done.manifest.database;
  check_parts(folder, done.manifest, [&] {
    throw_if_interrupted();
    progress.show("checking the backup");
  }).value();
  check_keys(config, done.manifest, done.notes);
  check_files(done.manifest, options);
  const auto work = WorkFolder::make(fs::temp_directory_path(), "memseal-restore-").value();
  auto target = postgres::RestoreTarget::open(migration, facts, options.force).value();
  done.notes.insert(done.notes.end(), target->notes().begin(), target->notes().end());
  progress.show("restoring the database");
  read_dump(folder / dump_part, migration.dsn, target->server_major(), work.path()).value();
  target->finish(facts).value();
  if (done.manifest.find(files_part)) unpack_files(options, work);
  if (const auto seen = postgres::count_rows(migration.dsn))
    compare_rows(facts.rows, *seen).value();
  else
    // The owner is bound by the policies, and sees no row.
    done.notes.push_back("the rows were not counted, because the role of postgres.migrate_dsn may "
                         "not read them");
  postgres::check_isolation(postgres::lint(migration.dsn).value()).value();
  return done;
}

}  // namespace

int cmd_backup_restore(const GlobalOptions& global, const BackupOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto start = std::chrono::steady_clock::now();
  const Interruptible interruptible;
  std::optional<Restored> done;
  try {
    ProgressLine progress(shows_progress(global));
    done = restore(*config, options, progress);
  } catch (...) {
    const auto error = error_of(std::current_exception());
    complain(error);
    return backup_exit_code(error);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const auto steps = next_steps(*config, done->manifest);
  const auto chunks = done->manifest.rows_of("app.memory_chunks");
  if (global.json)
    print_json(json::object{
        {"restored", options.folder},
        {"taken_at", codec::format_rfc3339(done->manifest.database.taken_at_ms)},
        {"chunks", chunks},
        {"schema_version", done->manifest.database.schema_version},
        {"seconds", took.count()},
        {"notes", json::array(done->notes.begin(), done->notes.end())},
        {"next", json::array(steps.begin(), steps.end())}});
  else
    std::printf("restored %s in %.1f s\n",
                count_of(static_cast<std::size_t>(chunks), "chunk").c_str(), took.count());
  for (const auto& note : done->notes) hint(note);
  // Not before, because the log is in what was restored.
  audited_if_possible(*config, "operator.backup_restore", std::nullopt, [] { return exit_ok; });
  if (!global.json)
    for (const auto& step : steps) std::printf("  %s\n", one_line(step, 1'000).c_str());
  return exit_ok;
}

}  // namespace memseal::app
