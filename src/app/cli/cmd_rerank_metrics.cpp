#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/service_answers.hpp"
#include "app/cli/terminal_text.hpp"

#include <boost/json/object.hpp>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

// {"latency_ms": {"p50": 3}} as "latency_ms.p50  3".
void print_lines(const std::string& path, const json::value& value) {
  if (!value.is_object()) {
    const auto text = text_of(json::object{{"it", value}}, "it");
    std::printf("%-28s %s\n", one_line(path, 100).c_str(),
                text.empty() ? "-" : one_line(text, 100).c_str());
    return;
  }
  for (const auto& [name, member] : value.as_object())
    print_lines((path.empty() ? "" : path + ".") + std::string(name), member);
}

}  // namespace

int cmd_rerank_metrics(const GlobalOptions& global, const ServiceOptions& options) {
  const auto token = read_token(options);
  if (!token) {
    complain(token.error());
    return exit_usage;
  }
  const ServiceRequest request{.path = "/api/v1/rerank/metrics", .token = *token};
  const auto outcome = http_call(global, options, request);
  if (const auto* code = std::get_if<int>(&outcome)) return *code;
  const auto& response = std::get<http_client::Response>(outcome);
  if (response.status != 200) return print_refusal(response, *token);
  const auto body = object_in(response);
  if (!body) {
    complain(no_json());
    return exit_failed;
  }
  if (global.json)
    print_json(*body);
  else
    print_lines("", *body);
  return exit_ok;
}

}  // namespace memseal::app
