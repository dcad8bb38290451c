// The part of the command table that is about models.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

namespace memseal::app {

namespace {

void add_pull(CLI::App& models, GlobalOptions& global, Action& action) {
  auto* pull = models.add_subcommand("pull", "Fetch a model from a hub, so that its name finds it");
  set_help(*pull,
           {"memseal models pull ms-marco-TinyBERT-L2-v2",
            "memseal models pull me/my-reranker --token-file token",
            "memseal models pull --lock memseal.lock.json"},
           "Fetches the files that memseal reads, checks their SHA-256, and writes commit\n"
           "and SHA-256s to memseal.lock.json beside them. What broke off is continued.\n"
           "HF_ENDPOINT names a mirror, HF_TOKEN or --token-file a token, HTTPS_PROXY a\n"
           "proxy, MEMSEAL_CA_FILE further authorities. Exit codes: 1 other bytes than\n"
           "named, 2 wrong usage, 3 the hub cannot be reached, 4 no such model, 5 denied.");
  auto options = std::make_shared<PullOptions>();
  pull->add_option("model", options->model, "OWNER/NAME on the hub, or a known name")
      ->type_name("MODEL");
  pull->add_option("--revision", options->revision, "Branch, tag or commit")
      ->type_name("REVISION")
      ->capture_default_str();
  pull->add_option("--to", options->to, "Folder of models (MEMSEAL_MODELS, else the first)")
      ->type_name("DIR");
  pull->add_option("--token-file", options->token_file, "File that holds the hub's token")
      ->type_name("FILE");
  pull->add_option("--lock", options->lock, "Fetch exactly what this lock file names")
      ->type_name("FILE");
  pull->callback(
      [&, options] { action = [&global, options] { return cmd_models_pull(global, *options); }; });
}

void add_models(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* models = app.add_subcommand("models", "Look at the models on this machine");
  models->require_subcommand(1);
  const std::string places =
      "A model is a Hugging Face directory: config.json, model.safetensors, vocab.txt\n"
      "or tokenizer.json. A name is looked for in $MEMSEAL_MODELS, beside the program,\n"
      "in /usr/share/memseal/models; a path has a slash in it.";
  set_help(*models, {}, places);
  auto* list =
      models->add_subcommand("list", "List the models that a name finds: kind, shape, size, path");
  set_help(*list, {"memseal models list"}, places);
  list->callback([&] { action = [&global] { return cmd_models_list(global); }; });
  auto model = std::make_shared<std::string>();
  auto* show = models->add_subcommand(
      "show", "Show one model: its shape, its size, and what computes it on this machine");
  auto* verify = models->add_subcommand(
      "verify", "Check every file and tensor, and this machine's arithmetic against double");
  set_help(*show, {"memseal models show all-MiniLM-L6-v2"}, places);
  set_help(*verify, {"memseal models verify all-MiniLM-L6-v2", "memseal models verify ./my-model"},
           "Loads the model strictly, runs a probe of texts in many lengths and scripts on\n"
           "this machine's backend and on the reference in double precision, and compares\n"
           "all numbers. Exit codes: 0 sound, 1 damaged or unsupported or the numbers\n"
           "differ, 2 no such model.");
  for (auto* sub : {show, verify})
    sub->add_option("model", *model, "Directory (with a slash) or name")
        ->type_name("MODEL")
        ->required();
  show->callback(
      [&, model] { action = [&global, model] { return cmd_models_show(global, *model); }; });
  add_pull(*models, global, action);
  auto device = std::make_shared<std::string>("cpu");
  verify->add_option("--device", *device, "What computes the probe")
      ->type_name("DEVICE")
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
                        (std::string(kind) == "embed" ? "ding.model)" : ".model)"))
        ->type_name("MODEL");
    sub->add_option("--tokens", options->tokens, "Tokens of one sequence, specials included")
        ->check(CLI::Range(4, 8'192));
    sub->add_option("--count", options->count, "Sequences of one call")
        ->check(CLI::Range(1, 4'096));
    sub->add_option("--threads", options->threads, "Calls at once, one thread each")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    sub->add_option("--device", options->device, "What computes; cuda is the first GPU")
        ->type_name("DEVICE")
        ->check(CLI::IsMember({"cpu", "cuda"}))
        ->capture_default_str();
    sub->add_option("--rounds", options->rounds, "Calls each thread makes, after a warm-up")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    set_help(*sub, {std::string("memseal bench ") + kind + " --threads 2"},
             "Token ids are drawn before the clock starts: the figures are the forward pass\n"
             "alone. Exit codes: 0 measured, 1 the model is damaged or unsupported,\n"
             "2 no such model.");
    sub->callback([&, options, kind = std::string(kind)] {
      options->kind = kind;
      action = [&global, options] { return cmd_bench(global, *options); };
    });
  }
}

}  // namespace

void add_model_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  add_models(app, global, action);
  add_bench(app, global, action);
}

}  // namespace memseal::app
