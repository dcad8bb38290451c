// The commands that ask a running service: `query`, `rerank-metrics` and `health`.
#include "app/cli/command_table.hpp"
#include "base/query_limits.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_query_filters(CLI::App& query, QueryOptions& options) {
  const auto add_list = [&](const char* name, std::vector<std::string>& into, const char* help) {
    return query.add_option(name, into, help)->type_name("ID")->allow_extra_args(false);
  };
  const auto add_tags = [&](const char* name, std::vector<std::string>& into, const char* help) {
    query.add_option(name, into, help)->type_name("TAG")->allow_extra_args(false);
  };
  add_tags("--tag", options.tags, "Only chunks with this tag; may be given again");
  add_tags("--any-tag", options.tags_any, "Only chunks with one of these tags; may be given again");
  add_tags("--without-tag", options.tags_none, "No chunks with this tag; may be given again");
  add_list("--document", options.documents, "Only this document; may be given again");
  add_list("--exclude", options.exclude, "Without this document; may be given again");
  query.add_option("--conversation", options.conversation, "Only this conversation")
      ->type_name("ID");
  add_list("--attribute", options.attributes, "Only what has this attribute; may be given again")
      ->type_name("KEY=VALUE")
      ->check(CLI::Validator(
          [](std::string& pair) {
            const auto equals = pair.find('=');
            const bool is_pair = equals != 0 && equals != pair.npos;
            return is_pair ? std::string() : "must be KEY=VALUE, as in customer=acme";
          },
          ""));
  query
      .add_option("--where", options.where,
                  "Only what fits these conditions on attributes, a JSON object")
      ->type_name("JSON")
      ->excludes("--attribute");
  query.add_option("--created-after", options.created_after, "Only what is younger (RFC 3339)")
      ->type_name("TIME");
  query.add_option("--created-before", options.created_before, "Only what is older (RFC 3339)")
      ->type_name("TIME");
  query.add_option("--min-score", options.min_score, "Only results with this score or more")
      ->type_name("SCORE")
      ->check(CLI::Range(-1.0, 1.0));
  query.add_option("--expand", options.expand, "Neighbours to show on each side of a result")
      ->type_name("COUNT")
      ->check(CLI::NonNegativeNumber);
}

void add_query(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* query = app.add_subcommand("query", "Ask a question; results stream to the terminal");
  auto options = std::make_shared<QueryOptions>();
  query->add_option("text", options->words, "The question; several words are joined by spaces")
      ->required();
  add_service_options(*query, options->service);
  query->add_option("-k,--top-k", options->top_k, "Results wanted")
      ->type_name("COUNT")
      ->check(CLI::Range(1, static_cast<int>(limits::answers_wall)))
      ->capture_default_str();
  query->add_option("--candidates", options->candidates, "Passages to rank (default: 24)")
      ->type_name("COUNT")
      ->check(CLI::Range(1, static_cast<int>(limits::candidates_wall)));
  query->add_option("--also", options->also, "A further question; may be given again")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  query->add_option("--cursor", options->cursor, "The page behind this next_cursor of --json")
      ->type_name("CURSOR");
  query->add_flag("--no-rerank", options->no_rerank, "Keep the search order");
  query->add_flag("--no-hybrid", options->no_hybrid, "Compare meanings alone, not words too");
  query->add_flag("--trace", options->trace, "Show what each stage did");
  query->add_option("--source", options->source, "Only chunks from this source")
      ->type_name("SOURCE")
      ->check(CLI::IsMember({"chat", "upload", "api"}));
  add_query_filters(*query, *options);
  set_help(*query,
           {"memseal query \"what did I decide about backups?\"",
            "memseal query who is the dentist --source chat -k 3",
            "memseal query \"open points\" --attribute customer=acme --min-score 0.5",
            "memseal query contract --where '{\"pages\":{\"gt\":1}}' --without-tag draft",
            "memseal query --url https://memory.example --token-file token \"any news?\"",
            "memseal query --json tea | head -n 1"},
           "Quote a question that has characters of the shell in it: ? * ' & ( ).");
  query->callback(
      [&, options] { action = [&global, options] { return cmd_query(global, *options); }; });
}

}  // namespace

void add_query_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  add_query(app, global, action);

  auto* metrics = app.add_subcommand(
      "rerank-metrics", "Show what reranking did: fallbacks by reason, latency, the breaker");
  auto asked = std::make_shared<ServiceOptions>();
  add_service_options(*metrics, *asked);
  set_help(*metrics, {"memseal rerank-metrics", "memseal rerank-metrics --json"});
  metrics->callback(
      [&, asked] { action = [&global, asked] { return cmd_rerank_metrics(global, *asked); }; });

  auto* health = app.add_subcommand("health", "Ask a running service whether it is ready");
  auto place = std::make_shared<ServiceOptions>();
  add_address_options(*health, *place);
  set_help(*health, {"memseal health", "memseal health --url https://memory.example"});
  health->callback(
      [&, place] { action = [&global, place] { return cmd_health(global, *place); }; });
}

}  // namespace memseal::app
