// `memseal guard show|hold|release|mode`: a service's own guard, and orders to it.
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "pure/codec/json.hpp"
#include "pure/policy/guard_actions.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::string_view guard_help =
    "The address is the admin listener's, which asks for no token. Actions, in their\n"
    "order: rerank_off, ingest_paused, unready.";

std::string word_of(bool value, const char* word) { return value ? word : ""; }

void print_state(const json::object& state) {
  std::printf("mode %s, verdict %s\n", text_of(state, "mode").c_str(),
              text_of(state, "verdict").c_str());
  for (const auto& one : state.at("actions").as_array()) {
    const auto& action = one.as_object();
    const auto words = word_of(action.at("active").as_bool(), " active") +
                       word_of(action.at("wanted").as_bool(), " wanted") +
                       word_of(action.at("held_by_operator").as_bool(), " held by an operator");
    std::printf("%-14s%s\n", text_of(action, "name").c_str(), words.empty() ? " -" : words.c_str());
  }
  for (const auto& cause : state.at("causes").as_array())
    std::printf("cause          %s\n", text_of(json::object{{"it", cause}}, "it").c_str());
}

}  // namespace

int cmd_guard_order(const GlobalOptions& global, const ServiceOptions& service,
                    const std::string& method, const std::string& path) {
  ServiceRequest request;
  request.method = method;
  request.path = path;
  const auto outcome = http_call(global, service, request);
  if (const auto* code = std::get_if<int>(&outcome)) return *code;
  const auto& response = std::get<http_client::Response>(outcome);
  if (response.status != 200) {
    const auto code = print_refusal(response, "");
    hint("the guard answers at the address of http.admin_listen");
    return code;
  }
  const auto state = codec::parse_json(response.body, Errc::bad_json);
  if (!state || !state->is_object()) {
    complain({Errc::bad_json, "the response is not JSON; is this the address of memseal?"});
    return exit_failed;
  }
  if (global.json) {
    print_json(*state);
    return exit_ok;
  }
  try {
    print_state(state->get_object());
  } catch (const std::exception&) {
    complain({Errc::bad_json, "the response is not the state of a guard"});
    return exit_failed;
  }
  return exit_ok;
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
  add_address_options(*command, *service);
  set_help(*command, {"memseal guard " + name + " " + example + " --url http://127.0.0.1:7401"},
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
  add_address_options(*show, *service);
  set_help(*show, {"memseal guard show --url http://127.0.0.1:7401"}, std::string(guard_help));
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
