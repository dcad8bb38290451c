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
  return with_link(global, options, [&](ServiceLink& link) {
    const auto asked = ask_for(link, {.path = "/api/v1/rerank/metrics"});
    if (asked.error) return print_failure(asked);
    if (global.json)
      print_json(asked.body);
    else
      print_lines("", asked.body);
    return static_cast<int>(exit_ok);
  });
}

}  // namespace memseal::app
