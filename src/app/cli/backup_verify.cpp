// `memseal backup verify`: a backup is worth what was restored from it.
#include "adapters/postgres/catalog.hpp"
#include "adapters/postgres/restore.hpp"
#include "app/cli/backup_steps.hpp"
#include "app/cli/child_process.hpp"
#include "app/cli/console.hpp"
#include "app/cli/local_postgres.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/cli/verify_seal.hpp"
#include "app/service/keys.hpp"
#include "app/service/migrations.hpp"

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

/// Proofs in their order; the first that does not hold ends them.
class Report {
 public:
  explicit Report(const GlobalOptions& global) : global_(global) {}

  void add(const std::string& name, const std::string& detail) { add({name, true, detail}); }
  void fail(const std::string& name, const Error& error) {
    add({name, false, error.message});
    fault_ = error;
  }
  bool failed() const noexcept { return fault_.has_value(); }
  const std::optional<Error>& fault() const noexcept { return fault_; }
  json::array take() { return std::move(proofs_); }

 private:
  void add(const Proof& proof) {
    if (!global_.json)
      std::printf("%s %s: %s\n", proof.holds ? "ok  " : "FAIL", proof.name.c_str(),
                  one_line(proof.detail, 1'000).c_str());
    std::fflush(stdout);
    proofs_.push_back(
        json::object{{"name", proof.name}, {"holds", proof.holds}, {"detail", proof.detail}});
  }

  const GlobalOptions& global_;
  json::array proofs_;
  std::optional<Error> fault_;
};

Result<std::optional<crypto::Keyring>> keyring_of(const Config& config,
                                                  const BackupOptions& options) {
  if (options.keyring.empty() && config.seal.keyring_file.empty() &&
      config.seal.encryption_key.empty())
    // Without a keyring the archive and its rows can be tried all the same; the report says what
    // was not.
    return std::optional<crypto::Keyring>{};
  auto keyring =
      options.keyring.empty() ? load_keyring(config) : crypto::Keyring::load(options.keyring);
  if (!keyring) return keyring.error();
  return std::optional(std::move(*keyring));
}

/// Where the backup is restored for a trial: a cluster of its own, or the database of `dsn`.
struct Scratch {
  std::string dsn;
  std::unique_ptr<LocalPostgres> cluster;  ///< null: `dsn` is the operator's
  ~Scratch() {
    if (!cluster && !dsn.empty()) (void)postgres::drop_restored(dsn);
  }
};

void restore_trial(const Manifest& manifest, const BackupOptions& options, const WorkFolder& work,
                   Scratch& scratch) {
  postgres::MigrateOptions migration;
  migration.directory = find_migrations(options.migrations).value();
  if (options.scratch.empty()) {
    fs::create_directory(work / "cluster");
    scratch.cluster =
        LocalPostgres::start(work / "cluster", LocalPostgres::Reach::socket).value();
    // PostgreSQL runs as another user where this process is root.
    migration.dsn = scratch.cluster->dsn();
  } else {
    migration.dsn = options.scratch;
  }
  auto target = postgres::RestoreTarget::open(migration, manifest.database, false).value();
  scratch.dsn = migration.dsn;
  const auto read = read_dump(fs::path(options.folder) / dump_part, scratch.dsn,
                              target->server_major(), work.path());
  // The archive is what was written, so what PostgreSQL refuses is a fault of the backup.
  if (!read && read.error().code == Errc::internal)
    throw_failure({Errc::open_failed, read.error().message});
  read.value();
  target->finish(manifest.database).value();
}

/// How many of the sampled chunks open. Error: open_failed, which names the first that does not.
Result<std::size_t> open_seals(const std::vector<postgres::SampledSeal>& seals,
                               const crypto::Keyring& keyring) {
  const auto tenants = keyring.tenant_keyer();
  for (const auto& seal : seals) {
    const auto broken = [&](const std::string& cause) {
      return Error{Errc::open_failed,
                   "chunk " + seal.chunk.id.to_string() + " does not open: " + cause};
    };
    if (!seal.key) return broken("the backup lacks its tenant's key");
    const auto owner = tenants.tenant_of_hash(seal.owner);
    const auto key = keyring.unwrap(owner, *seal.key);
    if (!key) return broken(key.error().message);
    if (const auto opened = crypto::Sealer::open(owner, *key, seal.chunk); !opened)
      return broken(opened.error().message);
  }
  return seals.size();
}

void prove_seals(const Manifest& manifest, const BackupOptions& options,
                 const std::optional<crypto::Keyring>& keyring, const std::string& dsn,
                 Report& report) {
  if (!keyring) return report.add("seals", "not tried, because no keyring is given");
  const auto seals =
      postgres::sample_seals(dsn, static_cast<std::size_t>(options.sample)).value();
  const auto opened = open_seals(seals, *keyring);
  if (!opened) return report.fail("seals", opened.error());
  report.add("seals", std::to_string(*opened) + " of " +
                          std::to_string(manifest.rows_of("app.memory_chunks")) +
                          " chunks were picked at random, and open with this keyring");
}

void prove_restored(const Manifest& manifest, const BackupOptions& options,
                    const std::optional<crypto::Keyring>& keyring, const std::string& dsn,
                    Report& report) {
  const auto seen = postgres::count_rows(dsn).value();
  if (const auto same = compare_rows(manifest.database.rows, seen); !same)
    return report.fail("rows", same.error());
  report.add("rows", std::to_string(manifest.database.rows.size()) + " tables, " +
                         std::to_string(manifest.rows_of("app.memory_chunks")) + " chunks");
  prove_seals(manifest, options, keyring, dsn, report);
  if (report.failed()) return;
  const auto findings = postgres::lint(dsn).value();
  if (const auto sound = postgres::check_isolation(findings); !sound)
    return report.fail("lint", sound.error());
  report.add("lint", "the restored database keeps tenants apart");
}

void prove(const Config& config, const BackupOptions& options, Report& report) {
  const fs::path folder(options.folder);
  const auto keyring = keyring_of(config, options).value();
  const auto manifest = read_manifest(folder);
  if (!manifest) return report.fail("archive", manifest.error());
  if (const auto whole = check_parts(folder, *manifest, throw_if_interrupted); !whole)
    return report.fail("archive", whole.error());
  report.add("archive", std::to_string(manifest->parts.size()) + " parts, " +
                            megabytes(manifest->bytes()) + ", as they were written");
  if (keyring) {
    if (const auto right = check_keyring(*manifest, *keyring); !right)
      return report.fail("keyring", right.error());
    report.add("keyring", "it is the one that the backup was written with");
  }
  const auto work = WorkFolder::make(fs::temp_directory_path(), "memseal-verify-").value();
  // The server's own user must be able to enter.
  fs::permissions(work.path(), fs::perms::owner_all | fs::perms::group_exec |
                                   fs::perms::others_exec);
  Scratch scratch;
  restore_trial(*manifest, options, work, scratch);
  report.add("restored", options.scratch.empty() ? "into a cluster of its own, gone by now"
                                                 : "into the scratch database, emptied by now");
  prove_restored(*manifest, options, keyring, scratch.dsn, report);
}

}  // namespace

int cmd_backup_verify(const GlobalOptions& global, const BackupOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto start = std::chrono::steady_clock::now();
  const Interruptible interruptible;
  Report report(global);
  try {
    prove(*config, options, report);
  } catch (...) {
    // What could not be tried is no finding about the backup.
    const auto error = error_of(std::current_exception());
    report.fail("trial", error);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (!global.json)
    std::printf("%s in %.1f s\n", report.failed() ? "NOT VERIFIED" : "VERIFIED", took.count());
  json::object object{{"verified", !report.failed()},
                      {"backup", options.folder},
                      {"seconds", took.count()},
                      {"proofs", report.take()}};
  return finish_report(global, std::move(object), report.fault(),
                       report.failed() ? backup_exit_code(*report.fault()) : exit_ok);
}

}  // namespace memseal::app
