// The commands about a person as a whole: `export`, `tenant` and `receipt`.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_export(CLI::App& app, GlobalOptions& global, Action& action) {
  auto options = std::make_shared<ExportOptions>();
  auto* command = app.add_subcommand("export", "Write everything that is stored of a user");
  command
      ->add_option("-o,--output", options->output,
                   "File to write (default: standard output, if no terminal)")
      ->type_name("FILE");
  add_service_options(*command, options->service);
  set_help(*command, {"memseal export -o me.ndjson", "memseal export | gzip > me.ndjson.gz"},
           "One JSON object a line: documents and their texts, conversations and their\n"
           "turns, the list of files. The last line counts them. The file has its name\n"
           "only once it is whole, and is readable by you alone.");
  command->callback(
      [&, options] { action = [&global, options] { return cmd_export(global, *options); }; });
}

void add_user(CLI::App& command, TenantOptions& options) {
  auto* user = command.add_option("user", options.user, "Id of the user")->type_name("USER");
  command
      .add_option("--hash", options.user_hash,
                  "Hash of the user instead, as `memseal tenant list` shows it")
      ->type_name("HASH")
      ->excludes(user);
}

void add_tenant(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* tenant = app.add_subcommand("tenant", "What is stored of a user: for operators");
  tenant->require_subcommand(1);
  auto options = std::make_shared<TenantOptions>();
  const auto verb = [&](const char* name, const char* help, auto* run) {
    auto* command = tenant->add_subcommand(name, help);
    command->callback([&global, &action, options, run] {
      action = [&global, options, run] { return run(global, *options); };
    });
    add_user(*command, *options);
    return command;
  };
  auto* list = tenant->add_subcommand("list", "List all users by their hashes");
  list->callback([&] { action = [&global] { return cmd_tenant_list(global); }; });
  set_help(*list, {"memseal tenant list", "memseal tenant list --json"},
           "Columns: state, chunks, files, bytes of files, hash. User ids are not stored.\n"
           "Connects by postgres.backup_dsn, or by postgres.migrate_dsn where that is a\n"
           "superuser's.");
  auto* show = verb("show", "Count what is stored of a user", cmd_tenant_show);
  set_help(*show, {"memseal tenant show alice"});
  auto* write = verb("export", "Write everything that is stored of a user", cmd_tenant_export);
  set_help(*write, {"memseal tenant export alice -o alice.ndjson"},
           "As `memseal export`, without the running service.");
  auto* erase = verb("erase", "Erase a user for ever", cmd_tenant_erase);
  auto* dry = erase->add_flag("--dry-run", options->dry_run, "Say what would be erased");
  erase->add_flag("--force", options->force, "Erase it")->excludes(dry);
  set_help(*erase,
           {"memseal tenant erase alice --dry-run",
            "memseal tenant erase alice --force -o receipt.json"},
           "Keys die first, then rows and files go. The user id can never be used again.\n"
           "Cut short, the command goes on where it is run again. Prints the receipt.");
  auto* reseal = verb("reseal", "Seal a user's texts again under a new key", cmd_tenant_reseal);
  reseal->add_flag("--resume", options->resume, "Make no new key; go on under the current one");
  set_help(*reseal, {"memseal tenant reseal alice", "memseal tenant reseal alice --resume"},
           "While the service runs: nothing fails meanwhile. The texts of chunks and the\n"
           "names of documents move; words of the lexical search, files and dead letters\n"
           "keep the old key, which stays for opening. Exit code 6: rows stayed under it,\n"
           "because they do not open, or a process has not heard of the new key yet.");
  for (auto* command : {write, erase})
    command
        ->add_option("-o,--output", options->output, "File to write (default: standard output)")
        ->type_name("FILE");
}

void add_receipt(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* receipt = app.add_subcommand("receipt", "The receipts of erasures");
  receipt->require_subcommand(1);
  auto options = std::make_shared<ReceiptOptions>();
  auto* verify = receipt->add_subcommand("verify", "Prove that a receipt is genuine");
  verify->add_option("file", options->file, "The receipt, - for standard input")
      ->type_name("FILE")
      ->required();
  verify->add_option("--user", options->user, "The user whose it must be; needs the keyring")
      ->type_name("USER");
  verify
      ->add_option("--public-key", options->public_key,
                   "Who must have signed, as an earlier receipt shows it (default: this "
                   "deployment, by its keyring)")
      ->type_name("KEY");
  set_help(*verify, {"memseal receipt verify receipt.json",
                     "memseal receipt verify receipt.json --user alice"},
           "Exit codes: 0 genuine, 2 usage, or no receipt, 6 not genuine.");
  verify->callback([&, options] {
    action = [&global, options] { return cmd_receipt_verify(global, *options); };
  });
}

}  // namespace

void add_person_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  add_export(app, global, action);
  add_tenant(app, global, action);
  add_receipt(app, global, action);
}

}  // namespace memseal::app
