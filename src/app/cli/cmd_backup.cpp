// `memseal backup`: its options and help.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_create(CLI::App& backup, GlobalOptions& global, Action& action) {
  auto* create = backup.add_subcommand("create", "Take a backup: one moment of the database");
  auto options = std::make_shared<BackupOptions>();
  create->add_option("-o,--out", options->folder, "Folder to make; not there, or empty")
      ->type_name("DIR")
      ->required();
  create->add_option("--files", options->files, "Directory of sealed files to add")
      ->type_name("DIR");
  set_help(*create,
           {"memseal backup create --out /backups/$(date -u +%F)",
            "memseal backup create --out b --files /var/lib/memseal/files --json"},
           "Connects by postgres.backup_dsn, or by postgres.migrate_dsn where that is a\n"
           "superuser's. Makes manifest.json, database.dump (for pg_restore), files.tar\n"
           "and SHA256SUMS (for sha256sum -c). The folder has its name only when it is\n"
           "whole. The keyring is never in it: keep its copies elsewhere.");
  create->callback([&, options] {
    action = [&global, options] { return cmd_backup_create(global, *options); };
  });
}

void add_verify(CLI::App& backup, GlobalOptions& global, Action& action) {
  auto* verify = backup.add_subcommand(
      "verify", "Restore a backup for a trial, count its rows, open some of its seals");
  auto options = std::make_shared<BackupOptions>();
  verify->add_option("folder", options->folder, "The backup")->type_name("DIR")->required();
  verify->add_option("--keyring", options->keyring, "Keyring file (default: the configured keys)")
      ->type_name("FILE");
  verify->add_option("--sample", options->sample, "Chunks to open, picked at random")
      ->type_name("COUNT")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  verify->add_option("--scratch", options->scratch,
                     "Owner DSN of an empty database to use (default: a cluster of its own)")
      ->type_name("DSN");
  verify->add_option("--dir", options->migrations, "Directory of the migrations")
      ->type_name("DIR");
  set_help(*verify, {"memseal backup verify /backups/2026-11-28 --keyring /safe/keyring"},
           "The cluster of its own lies below $TMPDIR, is reached by a socket that only\n"
           "this user may use, and is removed. Exit codes: 6 the backup is damaged or\n"
           "does not open with this keyring, 4 it is not there, 3 no server to try it.");
  verify->callback([&, options] {
    action = [&global, options] { return cmd_backup_verify(global, *options); };
  });
}

void add_restore(CLI::App& backup, GlobalOptions& global, Action& action) {
  auto* restore = backup.add_subcommand("restore", "Restore a backup into an empty database");
  auto options = std::make_shared<BackupOptions>();
  restore->add_option("folder", options->folder, "The backup")->type_name("DIR")->required();
  restore->add_option("--files", options->files, "Directory that receives the sealed files")
      ->type_name("DIR");
  restore
      ->add_option("--app-password-file", options->app_password,
                   "File with the password to set on role app_user")
      ->type_name("FILE");
  restore->add_option("--dir", options->migrations, "Directory of the migrations")
      ->type_name("DIR");
  restore->add_flag("--force", options->force,
                    "Delete what the database holds; it is lost even if the restore fails");
  set_help(*restore,
           {"memseal backup restore /backups/2026-11-28 --app-password-file password"},
           "Connects by postgres.migrate_dsn. All or nothing, in one transaction. Then\n"
           "says how Kafka delivers again what was written after the backup. Exit code 6:\n"
           "the backup is damaged, or does not belong to this keyring.");
  restore->callback([&, options] {
    action = [&global, options] { return cmd_backup_restore(global, *options); };
  });
}

}  // namespace

void add_backup_command(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* backup =
      app.add_subcommand("backup", "Back the database up, and prove that it can be restored");
  backup->require_subcommand(1);
  add_create(*backup, global, action);
  add_verify(*backup, global, action);
  add_restore(*backup, global, action);
}

}  // namespace memseal::app
