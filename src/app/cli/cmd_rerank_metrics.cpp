#include "app/cli/http_call.hpp"

#include <boost/json/parse.hpp>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

// {"latency_ms": {"p50": 3}} as "latency_ms.p50  3".
void print_lines(const std::string& path, const json::value& value) {
  if (!value.is_object()) {
    const auto text = text_of(json::object{{"it", value}}, "it");
    std::printf("%-28s %s\n", path.c_str(), text.empty() ? "-" : text.c_str());
    return;
  }
  for (const auto& [name, member] : value.as_object())
    print_lines((path.empty() ? "" : path + ".") + std::string(name), member);
}

}  // namespace

int cmd_rerank_metrics(const GlobalOptions& global, const QueryOptions& options) {
  const auto outcome =
      http_call(global, options.url, "/api/v1/rerank/metrics",
                {"GET", {}, {{"Authorization", "Bearer " + read_token(options)}}, ""});
  if (const auto* code = std::get_if<int>(&outcome)) return *code;
  const auto& response = std::get<http::ClientResponse>(outcome);
  if (response.status != 200) return print_refusal(response);
  boost::system::error_code failure;
  const auto value = json::parse(response.body, failure);
  if (global.json || failure)
    std::printf("%s\n", response.body.c_str());
  else
    print_lines("", value);
  return exit_ok;
}

}  // namespace memseal::app
