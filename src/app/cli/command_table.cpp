#include "app/cli/command_table.hpp"

#include "app/cli/publish_send.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

namespace memseal::app {

namespace {

constexpr const char* overview =
    "memseal: the memory and knowledge service behind an AI assistant.\n"
    "Events go in by Kafka, are sealed per user, and come out ranked as Server-Sent Events.";

constexpr const char* lesson =
    "First steps:\n"
    "  memseal dev                       everything at once on this machine\n"
    "  memseal publish upload --user alice notes.md\n"
    "  memseal query \"what did I decide about backups?\"\n"
    "\n"
    "In production:\n"
    "  memseal config init memseal.yaml  a commented configuration\n"
    "  memseal keys init keyring         random keys, mode 0600\n"
    "  memseal migrate up                create or update the schema\n"
    "  memseal doctor                    check every part, say how to fix it\n"
    "  memseal serve -c memseal.yaml\n"
    "\n"
    "`memseal help COMMAND` shows the options and examples of one command.\n"
    "Settings: flags > environment (MEMSEAL__SECTION__KEY) > YAML file > defaults.\n"
    "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not ready,\n"
    "  4 not found, 5 denied, 6 a finding of `verify`, `backup`, `guard check` or\n"
    "  `canary run`.";

void add_global_options(CLI::App& app, GlobalOptions& global) {
  app.set_version_flag("--version", "memseal " MEMSEAL_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.add_option("-c,--config", global.config_file, "YAML file (default: $MEMSEAL_CONFIG)")
      ->type_name("FILE");
  app.add_option("--set", global.assignments, "Override one setting; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--json", global.json, "Print data and failures as JSON");
  app.add_flag("-q,--quiet", global.quiet, "Print no progress");
}

void add_serve(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* serve = app.add_subcommand("serve", "Run the service: ingest events and answer queries");
  auto options = std::make_shared<ServeOptions>();
  serve->add_flag("--no-ingest", options->no_ingest, "Answer queries only; consume no events");
  serve
      ->add_option("--ports-file", options->ports_file,
                   "File that receives the two ports once ready (for port 0)")
      ->type_name("FILE");
  set_help(*serve, {"memseal serve -c memseal.yaml",
                    "memseal serve --no-ingest --set http.listen=127.0.0.1:7410"});
  serve->callback(
      [&, options] { action = [&global, options] { return cmd_serve(global, *options); }; });

  auto* dev = app.add_subcommand(
      "dev", "Run everything at once for development: own PostgreSQL, in-process Kafka broker");
  auto dev_options = std::make_shared<DevOptions>();
  dev->add_option("--pg", dev_options->pg,
                  "Owner DSN of a database to use instead of a private one")
      ->type_name("DSN");
  dev->add_option("--user", dev_options->user, "User of the printed token")
      ->type_name("USER")
      ->capture_default_str();
  dev->add_option("--dir", dev_options->directory,
                  "Where keys and the private database live (default: a temporary folder, removed)")
      ->type_name("DIR");
  dev->add_option("--env-file", dev_options->env_file,
                  "File that receives what to export, while the service runs")
      ->type_name("FILE");
  dev->add_option("--kafka-port", dev_options->kafka_port,
                  "Port at which the broker is always found (default: any free port)")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65'535));
  set_help(*dev, {"memseal dev", "memseal dev --dir memory --user bob",
                  "memseal dev --env-file dev.env --kafka-port 9092"});
  dev->callback([&, dev_options] {
    action = [&global, dev_options] { return cmd_dev(global, *dev_options); };
  });
}

void add_migrate(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* migrate = app.add_subcommand("migrate", "Create, update or revert the database schema");
  migrate->require_subcommand(1);
  auto options = std::make_shared<MigrateOptions>();
  struct Verb {
    const char *name, *help, *example, *notes;
  };
  const Verb verbs[] = {
      {"up", "Apply migrations that are not applied yet",
       "memseal migrate up --app-password-file app-password", ""},
      {"down", "Revert the newest migration, or those above --to", "memseal migrate down --to 3",
       "Refuses where data would go, and counts it; --force deletes it."},
      {"status", "Show which migrations are applied", "memseal migrate status --json", ""},
      {"plan", "Show what `up` would do; change nothing", "memseal migrate plan",
       "Shows each statement, the lock that it takes on a table that is there, and an\n"
       "estimate of the time by the table's rows. online: no lock is held while rows are\n"
       "worked on, so the service may serve meanwhile."},
      {"rewrite", "Bring rows of before migration 0011 into its layout",
       "memseal migrate rewrite",
       "In batches, while services of this and of older releases read and write; rests\n"
       "as long as it wrote. May be ended and started again: it reads all rows once\n"
       "more, and writes what is left. Lists the users by postgres.backup_dsn, or by\n"
       "postgres.migrate_dsn where that is not set, and writes by postgres.dsn. Rows of\n"
       "1,024 dimensions or more need it not."}};
  for (const auto& [verb, help, example, notes] : verbs) {
    auto* sub = migrate->add_subcommand(verb, help);
    set_help(*sub, {example}, notes);
    sub->callback([&, options, verb = std::string(verb)] {
      options->action = verb;
      action = [&global, options] { return cmd_migrate(global, *options); };
    });
    if (std::string(verb) == "rewrite") continue;
    sub->add_option("--dir", options->directory, "Directory of the NNNN_name.{up,down}.sql pairs")
        ->type_name("DIR");
    if (std::string(verb) != "status") sub->add_option("--to", options->to, "Stop at this number");
    if (std::string(verb) == "up")
      sub->add_option("--app-password-file", options->app_password,
                      "File with the password to set on role app_user")
          ->type_name("FILE");
    if (std::string(verb) == "down")
      sub->add_flag("--force", options->force, "Confirm that the data may be lost");
  }
}

void add_publish(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* publish = app.add_subcommand("publish", "Publish an event to Kafka");
  publish->require_subcommand(1);
  auto options = std::make_shared<PublishOptions>();
  auto* upload =
      publish->add_subcommand("upload", "Publish documents: files or directories of text");
  auto* chat = publish->add_subcommand("chat", "Publish turns of a conversation");
  for (auto* sub : {upload, chat}) {
    sub->add_option("--user", options->user, "User id the memory belongs to")
        ->type_name("USER")
        ->required();
    sub->add_option("--tag", options->tags, "Tag, may be given again")
        ->type_name("TAG")
        ->allow_extra_args(false);
    sub->add_flag("--dry-run", options->print_only, "Print the event, send nothing");
    auto* wait = sub->add_flag("--wait", options->wait,
                               "Fail if it cannot be seen whether the events are stored");
    sub->add_flag("--no-wait", options->no_wait,
                  "Return once the broker has the events (default: once they are stored)")
        ->excludes(wait);
    sub->add_option("--timeout", options->timeout_s, "Seconds to wait without news of the events")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 86'400))
        ->default_str(std::to_string(publish_silence_max.count()));
    add_producer_options(*sub, *options);
  }
  upload
      ->add_option("files", options->files,
                   "Files, directories (with all text below them), or - for standard input")
      ->type_name("FILE")
      ->required();
  upload
      ->add_option("--doc-id", options->doc_id,
                   "Document id (default: the path relative to the working directory)")
      ->type_name("ID");
  upload->add_option("--mime", options->mime_type, "text/plain or text/markdown (default: by name)")
      ->type_name("TYPE");
  add_service_options(*upload, options->service);
  set_help(*upload,
           {"memseal publish upload --user alice notes.md",
            "memseal publish upload --user alice --tag work notes/",
            "date | memseal publish upload --user alice --doc-id today -"},
           "A text for which an event has no room (1 MiB) goes to the service, by --url and\n"
           "--token, and is waited for. The default of --timeout grows with its length.");
  chat->add_option("--conversation", options->conversation, "Conversation id")
      ->type_name("ID")
      ->required();
  chat->add_option("messages", options->messages,
                   "Turns as role:content, e.g. \"user:I like tea\"");
  chat->add_option("-f,--file", options->messages_file,
                   "JSON array of {role, content}, - for standard input")
      ->type_name("FILE");
  set_help(*chat, {"memseal publish chat --user alice --conversation c1 \"user:I like tea\"",
                   "memseal publish chat --user alice --conversation c1 -f turns.json"});
  upload->callback([&, options] {
    action = [&global, options] { return cmd_publish_upload(global, *options); };
  });
  chat->callback(
      [&, options] { action = [&global, options] { return cmd_publish_chat(global, *options); }; });
}

void add_dlq(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* dlq = app.add_subcommand("dlq", "Dead letters: events that could not be ingested");
  dlq->require_subcommand(1);
  auto options = std::make_shared<DlqOptions>();
  const auto verb = [&](const char* name, const char* help, auto* run) {
    auto* sub = dlq->add_subcommand(name, help);
    sub->callback([&global, &action, options, run] {
      action = [&global, options, run] { return run(global, *options); };
    });
    sub->add_option("--topic", options->topics,
                    "Topic the events came from, may be given again (default: both configured)")
        ->allow_extra_args(false);
    return sub;
  };
  auto* list = verb("list", "List the open letters, oldest first", cmd_dlq_list);
  auto* show = verb("show", "Show why an event was refused", cmd_dlq_show);
  auto* replay = verb("replay", "Publish the original events again", cmd_dlq_replay);
  auto* drop = verb("drop", "Give letters up: they are no longer listed", cmd_dlq_drop);
  for (auto* sub : {list, replay, drop}) {
    sub->add_option("--code", options->code, "Only letters with this error code");
    sub->add_option("--user", options->user, "Only letters of this user id");
    sub->add_option("--id", options->id, "Only the letter with this id or event id");
    sub->add_option("--since", options->since, "Written at or after: RFC 3339, or an age (12h)");
    sub->add_option("--until", options->until, "Written before: RFC 3339, or an age (30m)");
    sub->add_option("--limit", options->limit, "At most so many letters (default: all)")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
  }
  list->add_flag("--all", options->closed_too,
                 "Also letters that are replayed, dropped, succeeded");
  show->add_option("id", options->id, "Id of the letter, or of its event")->required();
  show->add_flag("--reveal", options->reveal, "Open the letter and print the original event");
  replay->add_flag("--vouch", options->vouch,
                   "Sign as the service what no producer signed; look at the letters first");
  replay->add_option("--to-topic", options->to_topic, "Publish there, not to the original topic");
  drop->add_flag("--every", options->every, "Every open letter, where no filter is given");
  drop->add_flag("--purge", options->purge,
                 "Then delete from Kafka what lies in front of the first open letter");
  for (auto* sub : {replay, drop})
    sub->add_flag("--dry-run", options->dry_run, "Say what would be done; change nothing");
  set_help(*list, {"memseal dlq list"});
  set_help(*show, {"memseal dlq show ID"});
  set_help(*replay, {"memseal dlq replay --id ID", "memseal dlq replay --dry-run --since 12h"});
  set_help(*drop, {"memseal dlq drop --id ID"});
  dlq->footer("Letters are sealed: show --reveal and replay need the keyring and the database.\n"
              "Exit codes: 0 done, 1 a letter failed, 2 usage or configuration,\n"
              "  4 no such letter.");
}

void add_config(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* config = app.add_subcommand("config", "Look at and check the configuration");
  config->require_subcommand(1);
  auto* check = config->add_subcommand(
      "check", "Print what `serve` would refuse, and what is probably a mistake");
  set_help(*check, {"memseal config check -c memseal.yaml"});
  check->callback([&] { action = [&global] { return cmd_config_check(global); }; });
  auto* show = config->add_subcommand("show", "Print every key, its value and where it came from");
  set_help(*show, {"memseal config show", "memseal config show --json"});
  show->callback([&] { action = [&global] { return cmd_config_show(global); }; });
  auto* table = config->add_subcommand("table", "Print every key as Markdown: docs/settings.md");
  set_help(*table, {"memseal config table"});
  table->callback([&] { action = [&global] { return cmd_config_table(global); }; });
  auto* init = config->add_subcommand("init", "Write a commented configuration file");
  auto file = std::make_shared<std::string>("-");
  init->add_option("file", *file, "File to create, - for standard output")
      ->type_name("FILE")
      ->capture_default_str();
  set_help(*init, {"memseal config init memseal.yaml", "memseal config init | less"});
  init->callback(
      [&, file] { action = [&global, file] { return cmd_config_init(global, *file); }; });

  auto* doctor =
      app.add_subcommand("doctor", "Check every part this service needs and say how to fix it");
  set_help(*doctor, {"memseal doctor -c memseal.yaml", "memseal doctor --json"});
  doctor->callback([&] { action = [&global] { return cmd_doctor(global); }; });
  auto* version = app.add_subcommand("version", "Print the version");
  set_help(*version, {"memseal version"});
  version->callback([&] { action = [&global] { return cmd_version(global); }; });
}

}  // namespace

void add_address_options(CLI::App& command, ServiceOptions& options, const char* default_from) {
  command
      .add_option("--url", options.url,
                  "Base address of the service, https:// or http:// (default: " +
                      std::string(default_from) + ")")
      ->type_name("URL");
  command
      .add_option("--ca-file", options.ca_file,
                  "PEM file of the authority to trust for https (default: $MEMSEAL_CA_FILE), "
                  "beside the system's")
      ->type_name("FILE");
}

void add_service_options(CLI::App& command, ServiceOptions& options) {
  add_address_options(command, options);
  command.add_option("--token", options.token, "Bearer token (default: $MEMSEAL_TOKEN)")
      ->type_name("TOKEN");
  command.add_option("--token-file", options.token_file, "File with the bearer token")
      ->type_name("FILE");
  command.add_flag("--insecure", options.insecure,
                   "Send the token in clear text, over http to another machine");
}

void add_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  app.name("memseal");
  app.description(overview);
  app.require_subcommand(1);
  app.fallthrough();
  add_global_options(app, global);
  add_serve(app, global, action);
  add_migrate(app, global, action);
  add_backup_command(app, global, action);
  add_key_commands(app, global, action);
  add_producer_commands(app, global, action);
  add_publish(app, global, action);
  add_dlq(app, global, action);
  add_query_commands(app, global, action);
  add_memory_commands(app, global, action);
  add_file_commands(app, global, action);
  add_person_commands(app, global, action);
  add_model_commands(app, global, action);
  add_config(app, global, action);
  add_audit_command(app, global, action);
  add_verify_command(app, global, action);
  add_smoke_command(app, global, action);
  add_guard_command(app, global, action);
  add_canary_command(app, global, action);
  add_help_commands(app, global, action);
  app.footer(lesson);  // At the end, because a command takes over the text of the program.
}

std::vector<CommandInfo> list_commands() {
  CLI::App app;
  GlobalOptions global;
  Action action;
  add_commands(app, global, action);
  return describe_commands(app);
}

}  // namespace memseal::app
