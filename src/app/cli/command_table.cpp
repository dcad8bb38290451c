#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

namespace memseal::app {

namespace {

void add_serve(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* serve = app.add_subcommand("serve", "Run the service: ingest events and answer queries");
  auto options = std::make_shared<ServeOptions>();
  serve->add_flag("--no-ingest", options->no_ingest, "Answer queries only; consume no events");
  serve->add_option("--ports-file", options->ports_file,
                    "File that receives the two ports once ready (for port 0)");
  serve->callback(
      [&, options] { action = [&global, options] { return cmd_serve(global, *options); }; });

  auto* dev = app.add_subcommand(
      "dev", "Run everything at once for development: own PostgreSQL, in-process Kafka broker");
  auto dev_options = std::make_shared<DevOptions>();
  dev->add_option("--pg", dev_options->pg,
                  "Owner DSN of a database to use instead of a private one");
  dev->add_option("--user", dev_options->user, "User of the printed token")->capture_default_str();
  dev->add_option(
      "--dir", dev_options->directory,
      "Where keys and the private database live (default: a temporary folder, removed)");
  dev->add_option("--env-file", dev_options->env_file,
                  "File that receives what to export, while the service runs");
  dev->add_option("--kafka-port", dev_options->kafka_port,
                  "Port at which the broker is always found (default: any free port)")
      ->check(CLI::Range(1, 65'535));
  dev->callback([&, dev_options] {
    action = [&global, dev_options] { return cmd_dev(global, *dev_options); };
  });
}

void add_migrate(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* migrate = app.add_subcommand("migrate", "Create, update or revert the database schema");
  migrate->require_subcommand(1);
  auto options = std::make_shared<MigrateOptions>();
  const std::pair<const char*, const char*> verbs[] = {
      {"up", "Apply migrations that are not applied yet"},
      {"down", "Revert migrations; the data in what they created is lost"},
      {"status", "Show which migrations are applied"},
      {"plan", "Show what `up` would do; change nothing"}};
  for (const auto& [verb, help] : verbs) {
    auto* sub = migrate->add_subcommand(verb, help);
    sub->add_option("--dir", options->directory, "Directory of the NNNN_name.{up,down}.sql pairs");
    if (std::string(verb) != "status") sub->add_option("--to", options->to, "Stop at this number");
    if (std::string(verb) == "up")
      sub->add_option("--app-password-file", options->app_password,
                      "File with the password to set on role app_user");
    if (std::string(verb) == "down")
      sub->add_flag("--force", options->force, "Confirm that the data may be lost");
    sub->callback([&, options, verb = std::string(verb)] {
      options->action = verb;
      action = [&global, options] { return cmd_migrate(global, *options); };
    });
  }
}

void add_keys(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* keys = app.add_subcommand("keys", "Root keys of the deployment");
  keys->require_subcommand(1);
  auto* init =
      keys->add_subcommand("init", "Write a keyring of random keys, readable by you alone");
  auto file = std::make_shared<std::string>("keyring");
  init->add_option("file", *file, "File to create; never overwritten")->capture_default_str();
  init->callback([&, file] { action = [&global, file] { return cmd_keys_init(global, *file); }; });

  auto* token = app.add_subcommand("token", "Bearer tokens for development and tests");
  token->require_subcommand(1);
  auto* mint =
      token->add_subcommand("mint", "Print a token for one user, signed with the token key");
  auto options = std::make_shared<TokenOptions>();
  mint->add_option("--user", options->user, "User id the token speaks for")->required();
  mint->add_option("--lifetime-s", options->lifetime_s, "Seconds for which the token is valid")
      ->check(CLI::Range(std::int64_t{1}, limits::token_lifetime_s_max))
      ->capture_default_str();
  mint->callback(
      [&, options] { action = [&global, options] { return cmd_token_mint(global, *options); }; });
}

void add_publish(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* publish = app.add_subcommand("publish", "Publish an event to Kafka");
  publish->require_subcommand(1);
  auto options = std::make_shared<PublishOptions>();
  auto* upload =
      publish->add_subcommand("upload", "Publish documents: files or directories of text");
  auto* chat = publish->add_subcommand("chat", "Publish turns of a conversation");
  for (auto* sub : {upload, chat}) {
    sub->add_option("--user", options->user, "User id the memory belongs to")->required();
    sub->add_option("--tag", options->tags, "Tag, may be given again")->allow_extra_args(false);
    sub->add_flag("--dry-run", options->print_only, "Print the event, send nothing");
    auto* wait = sub->add_flag("--wait", options->wait,
                               "Fail if it cannot be seen whether the events are stored");
    sub->add_flag("--no-wait", options->no_wait,
                  "Return once the broker has the events (default: once they are stored)")
        ->excludes(wait);
    sub->add_option("--timeout", options->timeout_s, "Seconds to wait without news of the events")
        ->check(CLI::Range(1, 86'400))
        ->capture_default_str();
  }
  upload
      ->add_option("files", options->files,
                   "Files, directories (with all text below them), or - for standard input")
      ->required();
  upload->add_option("--doc-id", options->doc_id,
                     "Document id (default: the path relative to the working directory)");
  upload->add_option("--mime", options->mime_type,
                     "text/plain or text/markdown (default: by name)");
  chat->add_option("--conversation", options->conversation, "Conversation id")->required();
  chat->add_option("messages", options->messages,
                   "Turns as role:content, e.g. \"user:I like tea\"");
  chat->add_option("-f,--file", options->messages_file,
                   "JSON array of {role, content}, - for standard input");
  upload->callback([&, options] {
    action = [&global, options] { return cmd_publish_upload(global, *options); };
  });
  chat->callback(
      [&, options] { action = [&global, options] { return cmd_publish_chat(global, *options); }; });
}

void add_address_options(CLI::App& command, ServiceOptions& options) {
  command.add_option("--url", options.url,
                     "Base address of the service, https:// or http:// (default: http.listen)");
  command.add_option("--ca-file", options.ca_file,
                     "PEM file of the authority to trust for https (default: $MEMSEAL_CA_FILE), "
                     "beside the system's");
}

void add_service_options(CLI::App& command, ServiceOptions& options) {
  add_address_options(command, options);
  command.add_option("--token", options.token, "Bearer token (default: $MEMSEAL_TOKEN)");
  command.add_option("--token-file", options.token_file, "File with the bearer token");
  command.add_flag("--insecure", options.insecure,
                   "Send the token in clear text, over http to another machine");
}

void add_query(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* query = app.add_subcommand("query", "Ask a question; results stream to the terminal");
  auto options = std::make_shared<QueryOptions>();
  query->add_option("text", options->text, "The question")->required();
  add_service_options(*query, options->service);
  query->add_option("-k,--top-k", options->top_k, "Results wanted")
      ->check(CLI::Range(1, static_cast<int>(limits::answers_max)))
      ->capture_default_str();
  query->add_flag("--no-rerank", options->no_rerank, "Keep the search order");
  query->add_flag("--trace", options->trace, "Show what each stage did");
  query->add_option("--source", options->source, "Only chunks from: chat, upload, api");
  query->add_option("--tag", options->tags, "Only chunks with this tag")->allow_extra_args(false);
  query->callback(
      [&, options] { action = [&global, options] { return cmd_query(global, *options); }; });

  auto* metrics = app.add_subcommand(
      "rerank-metrics", "Show what reranking did: fallbacks by reason, latency, the breaker");
  auto asked = std::make_shared<ServiceOptions>();
  add_service_options(*metrics, *asked);
  metrics->callback(
      [&, asked] { action = [&global, asked] { return cmd_rerank_metrics(global, *asked); }; });

  auto* health = app.add_subcommand("health", "Ask a running service whether it is ready");
  auto place = std::make_shared<ServiceOptions>();
  add_address_options(*health, *place);
  health->callback(
      [&, place] { action = [&global, place] { return cmd_health(global, *place); }; });
}

void add_config(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* config = app.add_subcommand("config", "Look at and check the configuration");
  config->require_subcommand(1);
  config->add_subcommand("check", "Print what `serve` would refuse, and what is probably a mistake")
      ->callback([&] { action = [&global] { return cmd_config_check(global); }; });
  config->add_subcommand("show", "Print every key, its value and where it came from")
      ->callback([&] { action = [&global] { return cmd_config_show(global); }; });
  config->add_subcommand("table", "Print every key as Markdown: docs/settings.md")
      ->callback([&] { action = [&global] { return cmd_config_table(global); }; });
  auto* init = config->add_subcommand("init", "Write a commented configuration file");
  auto file = std::make_shared<std::string>("-");
  init->add_option("file", *file, "File to create, - for standard output")->capture_default_str();
  init->callback(
      [&, file] { action = [&global, file] { return cmd_config_init(global, *file); }; });

  app.add_subcommand("doctor", "Check every part this service needs and say how to fix it")
      ->callback([&] { action = [&global] { return cmd_doctor(global); }; });
  app.add_subcommand("version", "Print the version")->callback([&] {
    action = [&global] { return cmd_version(global); };
  });
}

void add_models(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* models = app.add_subcommand("models", "Look at the models on this machine");
  models->require_subcommand(1);
  models->footer(
      "A model is a Hugging Face directory: config.json, model.safetensors, vocab.txt or\n"
      "tokenizer.json. A name is looked for in $MEMSEAL_MODELS, beside the program, in\n"
      "/usr/share/memseal/models; a path has a slash in it.");
  models->add_subcommand("list", "List the models that a name finds: kind, shape, size, path")
      ->callback([&] { action = [&global] { return cmd_models_list(global); }; });
  auto model = std::make_shared<std::string>();
  auto* show = models->add_subcommand(
      "show", "Show one model: its shape, its size, and what computes it on this machine");
  auto* verify = models->add_subcommand(
      "verify", "Check every file and tensor, and this machine's arithmetic against double");
  verify->footer(
      "Loads the model strictly, runs a probe of texts in many lengths and scripts on this\n"
      "machine's backend and on the reference in double precision, and compares all numbers.\n"
      "Exit codes: 0 sound, 1 damaged or unsupported or the numbers differ, 2 no such model.");
  for (auto* sub : {show, verify})
    sub->add_option("model", *model, "Directory (with a slash) or name")->required();
  show->callback(
      [&, model] { action = [&global, model] { return cmd_models_show(global, *model); }; });
  auto device = std::make_shared<std::string>("cpu");
  verify->add_option("--device", *device, "What computes the probe")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  verify->callback([&, model, device] {
    action = [&global, model, device] { return cmd_models_verify(global, *model, *device); };
  });
}

void add_bench(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* bench = app.add_subcommand("bench", "Measure a model on this machine");
  bench->require_subcommand(1);
  auto options = std::make_shared<BenchOptions>();
  const std::pair<const char*, const char*> kinds[] = {
      {"rerank", "Time a cross-encoder: one call scores --count pairs (24 of 256 tokens)"},
      {"embed", "Time an embedder: one call embeds --count texts (32 of 128 tokens)"}};
  for (const auto& [kind, help] : kinds) {
    auto* sub = bench->add_subcommand(kind, help);
    sub->add_option("--model", options->model,
                    std::string("Directory (with a slash) or name (default: ") + kind +
                        (std::string(kind) == "embed" ? "ding.model)" : ".model)"));
    sub->add_option("--tokens", options->tokens, "Tokens of one sequence, specials included")
        ->check(CLI::Range(4, 8'192));
    sub->add_option("--count", options->count, "Sequences of one call")
        ->check(CLI::Range(1, 4'096));
    sub->add_option("--threads", options->threads, "Calls at once, one thread each")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    sub->add_option("--device", options->device, "What computes: cpu, or cuda for the first GPU")
        ->check(CLI::IsMember({"cpu", "cuda"}))
        ->capture_default_str();
    sub->add_option("--rounds", options->rounds, "Calls each thread makes, after a warm-up")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    sub->footer(
        "Token ids are drawn before the clock starts: the figures are the forward pass alone.\n"
        "Exit codes: 0 measured, 1 the model is damaged or unsupported, 2 no such model.");
    sub->callback([&, options, kind = std::string(kind)] {
      options->kind = kind;
      action = [&global, options] { return cmd_bench(global, *options); };
    });
  }
}

}  // namespace

void add_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  add_serve(app, global, action);
  add_migrate(app, global, action);
  add_keys(app, global, action);
  add_publish(app, global, action);
  add_query(app, global, action);
  add_models(app, global, action);
  add_bench(app, global, action);
  add_config(app, global, action);
}

}  // namespace memseal::app
