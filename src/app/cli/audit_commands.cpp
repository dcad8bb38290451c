// The commands about the audit log: `audit show`, `verify`, `export` and `prune`.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_filters(CLI::App& command, AuditOptions& options) {
  command.add_option("--since", options.since, "At or after: RFC 3339, or an age (12h)");
  command.add_option("--until", options.until, "Before: RFC 3339, or an age (30m)");
  auto* user = command.add_option("--user", options.user, "About this user id")->type_name("USER");
  command
      .add_option("--hash", options.user_hash,
                  "About this user instead, as `memseal tenant list` shows it")
      ->type_name("HASH")
      ->excludes(user);
  command.add_option("--document", options.document, "About this document of that user")
      ->type_name("ID");
  command.add_option("--request-id", options.request_id, "Of this request (X-Request-ID)")
      ->type_name("ID");
  command.add_option("--action", options.action, "Of this action, such as memory.query")
      ->type_name("NAME");
  command.add_option("--actor", options.actor, "By token:ID, uid:NUMBER or operator")
      ->type_name("WHO");
}

}  // namespace

void add_audit_command(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* audit = app.add_subcommand("audit", "The log of who read or changed what");
  audit->require_subcommand(1);
  auto options = std::make_shared<AuditOptions>();
  const auto verb = [&](const char* name, const char* help, auto* run) {
    auto* command = audit->add_subcommand(name, help);
    command->callback([&global, &action, options, run] {
      action = [&global, options, run] { return run(global, *options); };
    });
    return command;
  };
  auto* show = verb("show", "Show records, oldest first", cmd_audit_show);
  add_filters(*show, *options);
  show->add_option("--limit", options->limit, "The newest so many (default: all)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
  set_help(*show,
           {"memseal audit show --user alice --since 1h",
            "memseal audit show --request-id 5f1c-7 --json"},
           "Columns: time, action, outcome, status, hash of the user, actor, address,\n"
           "request id, number of documents. Names are hashed: give the user and the\n"
           "document to find. Connects by postgres.backup_dsn or postgres.migrate_dsn.");
  auto* verify = verb("verify", "Prove that no record was changed or removed", cmd_audit_verify);
  verify
      ->add_option("--expect", options->expect,
                   "The log must have this checkpoint, which an earlier run printed")
      ->type_name("CHECKPOINT");
  set_help(*verify,
           {"memseal audit verify", "memseal audit verify --expect \"$KEPT\"",
            "memseal audit verify --json"},
           "Prints the last checkpoint. Keep it where nobody of the database can write:\n"
           "with --expect it finds a log that was cut together with its checkpoints.\n"
           "Exit codes: 0 genuine, 2 usage, 3 database unavailable, 6 a finding.");
  auto* write = verb("export", "Write records as NDJSON", cmd_audit_export);
  add_filters(*write, *options);
  write->add_option("-o,--output", options->output, "File to write (default: standard output)")
      ->type_name("FILE");
  set_help(*write, {"memseal audit export --since 30d -o audit.ndjson"});
  auto* prune = verb("prune", "Delete records that are older than the setting", cmd_audit_prune);
  prune->add_option("--days", options->days, "Instead of audit.retention_days")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{36'500}));
  prune->add_flag("--past-findings", options->past_findings,
                  "Delete also where verify finds something, and record how much");
  set_help(*prune,
           {"memseal audit prune", "memseal audit prune --days 90",
            "memseal audit export -o kept.ndjson && memseal audit prune --past-findings"},
           "Signs where each chain begins from now on, so that the rest can be verified.\n"
           "Verifies the whole log first: a finding ends it with code 6, undone.\n"
           "--past-findings makes what was tampered with and is old go without a trace but\n"
           "for a record (operator.audit_prune_past): export the log before.\n"
           "For a timer. Connects by postgres.migrate_dsn.");
}

}  // namespace memseal::app
