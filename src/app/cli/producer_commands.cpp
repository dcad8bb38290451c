// The commands about who may write events: `producers`.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_patterns(CLI::App& command, const char* name, std::vector<std::string>& patterns,
                  const char* help) {
  command.add_option(name, patterns, help)->type_name("PATTERN")->allow_extra_args(false);
}

}  // namespace

void add_producer_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* producers = app.add_subcommand("producers", "Who may write events, and by which keys");
  producers->require_subcommand(1);
  auto options = std::make_shared<ProducersOptions>();
  const auto verb = [&](const char* name, const char* help, auto* run) {
    auto* sub = producers->add_subcommand(name, help);
    sub->callback([&global, &action, options, run] {
      action = [&global, options, run] { return run(global, *options); };
    });
    return sub;
  };
  auto* keygen = verb("keygen", "Write a new private key of a producer, readable by you alone",
                      cmd_producers_keygen);
  keygen->add_option("file", options->key_file, "File to create; never overwritten")
      ->type_name("FILE")
      ->required();
  keygen->add_option("--algorithm", options->algorithm, "ed25519, or hmac-sha256")
      ->type_name("ALGORITHM")
      ->check(CLI::IsMember({"ed25519", "hmac-sha256"}))
      ->capture_default_str();
  auto* add = verb("add", "Admit a producer, or a further key of it", cmd_producers_add);
  auto* list = verb("list", "List the producers and their keys", cmd_producers_list);
  auto* revoke =
      verb("revoke", "Refuse what a producer's keys sign from now on", cmd_producers_revoke);
  for (auto* sub : {add, list, revoke})
    sub->add_option("--file", options->file, "The registry (default: kafka.producers_file)")
        ->type_name("FILE");
  for (auto* sub : {add, revoke})
    sub->add_option("name", options->name, "Name of the producer")->type_name("NAME")->required();
  add->add_option("--key-file", options->key_file,
                  "Its key: PEM of the public (or private) key, or a file that keygen wrote")
      ->type_name("FILE")
      ->required();
  add_patterns(*add, "--tenant", options->tenants,
               "User id that it may write for, or a prefix and *; may be given again");
  add->get_option("--tenant")->required();
  add_patterns(*add, "--source", options->sources,
               "Source that it may use, or a prefix and *; may be given again (default: /NAME)");
  add_patterns(*add, "--topic", options->topics,
               "Topic that it may write to; may be given again (default: all that are consumed)");
  revoke->add_option("--key", options->key_id, "Id of the one key to revoke (default: all of them)")
      ->type_name("ID");
  set_help(*keygen, {"memseal producers keygen crm.key"});
  set_help(*add, {"memseal producers add crm --key-file crm.pub --tenant 'acme:*'"},
           "The service reads the file again when it changes.");
  set_help(*list, {"memseal producers list", "memseal producers list --json"},
           "Columns: name, key id, algorithm, state, tenants, sources, topics.");
  set_help(*revoke, {"memseal producers revoke crm"});
}

void add_producer_options(CLI::App& command, PublishOptions& options) {
  auto* producer = command
                       .add_option("--producer", options.producer,
                                   "Publish as this registered producer, with source /NAME")
                       ->type_name("NAME");
  auto* key = command
                  .add_option("--producer-key-file", options.producer_key_file,
                              "Its private key, which signs the events")
                  ->type_name("FILE");
  producer->needs(key);
  key->needs(producer);
}

}  // namespace memseal::app
