// `memseal guard show|hold|release|mode`: a service's own guard, and orders to it.
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/guard_report.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/service_answers.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/policy/guard_actions.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::string_view guard_help =
    "The address is the admin listener's, by default that of http.admin_listen. An\n"
    "order shows the token of http.admin_token. Actions, in their order: rerank_off,\n"
    "ingest_paused, unready.";

std::string word_of(bool value, const char* word) { return value ? word : ""; }

std::string line_of(const json::object& object, std::string_view key) {
  return one_line(text_of(object, key), 100);
}

void print_state(const json::object& state) {
  std::printf("mode %s, verdict %s\n", line_of(state, "mode").c_str(),
              line_of(state, "verdict").c_str());
  for (const auto& one : state.at("actions").as_array()) {
    const auto& action = one.as_object();
    const auto words = word_of(action.at("active").as_bool(), " active") +
                       word_of(action.at("wanted").as_bool(), " wanted") +
                       word_of(action.at("held_by_operator").as_bool(), " held by an operator");
    std::printf("%-14s%s\n", line_of(action, "name").c_str(), words.empty() ? " -" : words.c_str());
  }
  for (const auto& cause : state.at("causes").as_array())
    std::printf("cause          %s\n", one_line(cause.as_string(), 100).c_str());
}

/// The token of an order: of --token-file, else the setting's.
Result<std::string> operator_token(const Config& config, const ServiceOptions& service) {
  if (service.token_file.empty()) return config.http.admin_token;
  return read_token(service);
}

int refused_order(const http_client::Response& response, bool showed_token) {
  auto refusal = refusal_of(response, "");
  if (response.status == 404)
    refusal.hints = {"the guard answers at the address of http.admin_listen"};
  if (response.status == 401)
    refusal.hints = {showed_token
                         ? "the service has another http.admin_token"
                         : "give --token-file FILE, or the service's http.admin_token here"};
  return print_refusal(std::move(refusal));
}

int send_order(const Config& config, const GlobalOptions& global, const ServiceOptions& service,
               const ServiceRequest& request) {
  const auto outcome = call_service(config, service, request);
  if (!outcome) {
    complain(outcome.error());
    return exit_code_of(outcome.error());
  }
  if (outcome->status != 200) return refused_order(*outcome, !request.token.empty());
  const auto state = object_in(*outcome);
  if (!state) {
    complain(no_json());
    return exit_failed;
  }
  if (global.json) {
    print_json(*state);
    return exit_ok;
  }
  try {
    print_state(*state);
  } catch (const std::exception&) {
    complain({Errc::bad_json, "the response is not the state of a guard"});
    return exit_failed;
  }
  return exit_ok;
}

}  // namespace

int cmd_guard_order(const GlobalOptions& global, const ServiceOptions& service,
                    const std::string& method, const std::string& path) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto at = admin_service(*config, service);
  if (!at) {
    complain(at.error());
    return exit_usage;
  }
  ServiceRequest request{.method = method, .path = path};
  if (method != "GET") {
    auto token = operator_token(*config, service);
    if (!token) {
      complain(token.error());
      return exit_usage;
    }
    request.token = std::move(*token);
  }
  return send_order(*config, global, *at, request);
}

namespace {

/// A command that names an action or a mode, and sends it.
void add_order(CLI::App& guard, GlobalOptions& global, Action& action, const std::string& name,
               const std::string& help, const std::vector<std::string>& words,
               const std::string& example) {
  auto* command = guard.add_subcommand(name, help);
  auto service = std::make_shared<ServiceOptions>();
  auto word = std::make_shared<std::string>();
  const bool is_mode = name == "mode";
  command->add_option(is_mode ? "mode" : "action", *word, is_mode ? "The mode" : "The action")
      ->type_name(is_mode ? "MODE" : "ACTION")
      ->required()
      ->check(CLI::IsMember(words));
  add_address_options(*command, *service, "http.admin_listen");
  command
      ->add_option("--token-file", service->token_file,
                   "File with the operator's token (default: http.admin_token)")
      ->type_name("FILE");
  command->add_flag("--insecure", service->insecure,
                    "Send the token in clear text, over http to another machine");
  set_help(*command,
           {"memseal guard " + name + " " + example,
            "memseal guard " + name + " " + example + " --token-file admin-token"},
           std::string(guard_help));
  command->callback([&, service, word, name] {
    action = [&global, service, word, name] {
      return cmd_guard_order(global, *service, "POST", "/guard/" + name + "/" + *word);
    };
  });
}

}  // namespace

void add_guard_orders(CLI::App& guard, GlobalOptions& global, Action& action) {
  auto* show = guard.add_subcommand("show", "Show what the service's own guard does");
  auto service = std::make_shared<ServiceOptions>();
  add_address_options(*show, *service, "http.admin_listen");
  set_help(*show, {"memseal guard show", "memseal guard show --url http://127.0.0.1:7401"},
           std::string(guard_help));
  show->callback([&, service] {
    action = [&global, service] { return cmd_guard_order(global, *service, "GET", "/guard"); };
  });
  std::vector<std::string> actions;
  for (const auto one : policy::all_guard_actions)
    actions.emplace_back(policy::guard_action_name(one));
  add_order(guard, global, action, "hold", "Take an action of the guard, until it is released",
            actions, "unready");
  add_order(guard, global, action, "release", "End an action of the guard, and those after it",
            actions, "rerank_off");
  add_order(guard, global, action, "mode", "Change what the guard does, until the process ends",
            {"off", "observe", "act"}, "observe");
}

}  // namespace memseal::app
