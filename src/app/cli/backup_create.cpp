// `memseal backup create`.
#include "app/cli/backup_steps.hpp"
#include "app/cli/child_process.hpp"
#include "app/cli/console.hpp"
#include "app/cli/operator_audit.hpp"
#include "app/cli/terminal_text.hpp"
#include "base/on_exit.hpp"
#include "pure/codec/rfc3339.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdio>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

namespace memseal::app {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

bool lies_in(const fs::path& file, const fs::path& folder) {
  const auto relative = fs::weakly_canonical(file).lexically_relative(fs::weakly_canonical(folder));
  return !relative.empty() && *relative.begin() != "..";
}

/// Where the backup goes, and what it is made of.
struct Plan {
  fs::path folder;  ///< of the backup; absolute
  std::string dsn;
  fs::path keyring;  ///< may be empty
  fs::path files;    ///< may be empty
};

// Who has the backup and the keyring can read everything, so one folder never holds both.
Result<void> keep_apart(const Plan& plan) {
  if (plan.keyring.empty()) return {};
  for (const auto& folder : {plan.folder, plan.files})
    if (!folder.empty() && lies_in(plan.keyring, folder))
      return Error{Errc::bad_config, "the keyring lies in " + folder.string() +
                                         ", and a backup never holds it: keep the keyring and its "
                                         "copies where the backups are not"};
  return {};
}

Result<Plan> plan_of(const Config& config, const BackupOptions& options) {
  Plan plan{fs::absolute(options.folder).lexically_normal(), config.postgres.backup_dsn,
            config.seal.keyring_file, options.files};
  if (!plan.folder.has_filename()) plan.folder = plan.folder.parent_path();
  if (plan.dsn.empty()) plan.dsn = config.postgres.migrate_dsn;
  if (plan.dsn.empty())
    return Error{Errc::bad_config,
                 "postgres.backup_dsn is not set (env " + env_name("postgres.backup_dsn") +
                     "): the address of a role that may read every row",
                 "postgres.backup_dsn"};
  if (auto apart = keep_apart(plan); !apart) return apart.error();
  std::error_code failure;
  if (fs::exists(plan.folder, failure) &&
      (!fs::is_directory(plan.folder) || !fs::is_empty(plan.folder, failure)))
    return Error{Errc::bad_config, plan.folder.string() +
                                       " is there already: each backup gets a folder of its own"};
  if (!fs::is_directory(plan.folder.parent_path()))
    return Error{Errc::bad_config, plan.folder.parent_path().string() + " is not a directory"};
  if (!plan.files.empty() && !fs::is_directory(plan.files))
    return Error{Errc::bad_config, plan.files.string() + " is not a directory"};
  return plan;
}

void dump_database(const Plan& plan, const postgres::BackupSnapshot& snapshot,
                   const WorkFolder& work, ProgressLine& progress) {
  const auto program = find_postgres_program("pg_dump", snapshot.facts().server_major()).value();
  const auto dump = work / dump_part;
  const auto show = [&] {
    std::error_code ignored;
    const auto bytes = fs::file_size(dump, ignored);
    progress.show("dumping the database: " + megabytes(ignored ? 0 : bytes));
  };
  // Ciphers do not compress, and vectors do already at the lowest level.
  run_child({.words = {program.string(), "--format=custom", "--compress=1", "--no-password",
                       "--lock-wait-timeout=5s", "--schema=app", "--schema=memseal",
                       "--snapshot=" + snapshot.id(), "--file=" + dump.string()},
             .environment = postgres::libpq_environment(plan.dsn).value(),
             .complaints = work / "log",
             .meanwhile = show})
      .value();
}

// After the dump: a file that a restored row names is then missing only where somebody has deleted
// it meanwhile. A file that came later is not named by any row, and is swept.
void pack_files(const Plan& plan, const WorkFolder& work) {
  run_child({.words = {"/bin/tar", "--create", "--file=" + (work / files_part).string(),
                       "--directory=" + plan.files.string(), "--warning=no-file-changed",
                       "--warning=no-file-removed", "."},
             .complaints = work / "log"})
      .value();
}

struct Made {
  Manifest manifest;
  std::string sha256;  ///< of the manifest
};

Made make_backup(const Plan& plan, ProgressLine& progress) {
  auto work =
      WorkFolder::make(plan.folder.parent_path(), ".memseal-backup-").value();
  progress.show("reading the catalog");
  const auto snapshot = postgres::BackupSnapshot::open(plan.dsn).value();
  dump_database(plan, *snapshot, work, progress);
  std::vector<std::string> names{dump_part};
  if (!plan.files.empty()) {
    pack_files(plan, work);
    names.emplace_back(files_part);
  }
  fs::remove(work / "log");
  Made made{{MEMSEAL_VERSION, snapshot->facts(), {}}, {}};
  for (const auto& name : names)
    made.manifest.parts.push_back(measure_part(work.path(), name, [&] {
                                    throw_if_interrupted();
                                    progress.show("checking " + name);
                                  }).value());
  made.sha256 = write_manifest(work.path(), made.manifest).value();
  throw_if_interrupted();
  work.publish(plan.folder).value();
  return made;
}

/// Sentences about what an operator must know of this backup.
std::vector<std::string> notes_of(const Plan& plan, const Made& made) {
  std::vector<std::string> notes;
  const auto recorded = postgres::record_backup(
      plan.dsn, {made.manifest.database.taken_at_ms,
                 static_cast<std::int64_t>(made.manifest.bytes()), MEMSEAL_VERSION, made.sha256});
  if (!recorded)
    notes.push_back("the backup is sound, but the database does not know of it, so its age is not "
                    "watched: " + recorded.error().message);
  const std::string keyring = plan.keyring.empty() ? "the root keys" : plan.keyring.string();
  notes.push_back(keyring + " is not in the backup, and without it no row opens: keep a copy, "
                            "never beside the backups (docs/keys.md)");
  if (!plan.keyring.empty() && fs::weakly_canonical(plan.keyring).parent_path() ==
                                   fs::weakly_canonical(plan.folder.parent_path()))
    notes.push_back("now it lies beside this backup: whoever copies the folder has both");
  return notes;
}

int fail_backup(const Error& error) {
  complain(error);
  return backup_exit_code(error);
}

int create_backup(const GlobalOptions& global, const Plan& plan) {
  const auto start = std::chrono::steady_clock::now();
  const Interruptible interruptible;
  std::optional<Made> made;
  try {
    ProgressLine progress(shows_progress(global));
    made = make_backup(plan, progress);
  } catch (...) {
    return fail_backup(error_of(std::current_exception()));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const auto& database = made->manifest.database;
  const auto notes = notes_of(plan, *made);
  if (global.json)
    print_json(json::object{{"backup", plan.folder.string()},
                            {"bytes", made->manifest.bytes()},
                            {"seconds", took.count()},
                            {"taken_at", codec::format_rfc3339(database.taken_at_ms)},
                            {"chunks", made->manifest.rows_of("app.memory_chunks")},
                            {"sha256", made->sha256},
                            {"notes", json::array(notes.begin(), notes.end())}});
  else
    std::printf("%s: %s, %s in %.1f s\n", one_line(plan.folder.string(), 1'000).c_str(),
                count_of(static_cast<std::size_t>(made->manifest.rows_of("app.memory_chunks")),
                         "chunk").c_str(),
                megabytes(made->manifest.bytes()).c_str(), took.count());
  for (const auto& note : notes) hint(note);
  return exit_ok;
}

}  // namespace

int cmd_backup_create(const GlobalOptions& global, const BackupOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto plan = plan_of(*config, options);
  if (!plan) return fail_backup(plan.error());
  return audited_if_possible(*config, "operator.backup_create", std::nullopt,
                             [&] { return create_backup(global, *plan); });
}

}  // namespace memseal::app
