#include "app/cli/http_call.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace memseal::app {

namespace json = boost::json;

std::string text_of(const json::object& data, std::string_view key) {
  const auto* value = data.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return std::string(value->as_string());
  if (!value->is_double()) return json::serialize(*value);
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value->as_double());
  return text;
}

std::string read_token(const QueryOptions& options) {
  if (!options.token.empty()) return options.token;
  std::string token;
  if (!options.token_file.empty()) {
    std::ifstream file(options.token_file);
    token.assign(std::istreambuf_iterator<char>(file), {});
  } else {
    for (const auto& [name, value] : process_environment())
      if (name == "MEMSEAL_TOKEN") token = value;
  }
  while (!token.empty() && (token.back() == '\n' || token.back() == ' ')) token.pop_back();
  return token;
}

namespace {

/// The URL of http.listen, which may be an IPv6 address without brackets: "::1:7400".
std::string own_address(const std::string& listen) {
  const auto colon = listen.rfind(':');
  const auto address = listen.substr(0, colon);
  const bool bare = address.find(':') != std::string::npos && !address.starts_with('[');
  if (!bare) return "http://" + listen;
  return "http://[" + address + "]" + listen.substr(colon);
}

}  // namespace

std::variant<http::ClientResponse, int> http_call(
    const GlobalOptions& global, const std::string& base, std::string_view path,
    http::ClientRequest request, const std::function<bool(std::string_view)>& on_body) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto address = base.empty() ? own_address(config->http.listen) : base;
  auto url = http::Url::parse(address + std::string(path));
  if (!url) {
    complain(url.error());
    return exit_usage;
  }
  request.url = std::move(*url);
  auto response = http::fetch(request, on_body);
  if (response) return std::move(*response);
  complain(response.error());
  return response.error().code == Errc::unavailable ? exit_not_ready : exit_failed;
}

int print_refusal(const http::ClientResponse& response) {
  boost::system::error_code failure;
  const auto value = json::parse(response.body, failure);
  std::string detail;
  if (!failure && value.is_object()) {
    detail = text_of(value.as_object(), "detail");
    if (detail.empty()) detail = text_of(value.as_object(), "title");
  }
  std::fprintf(stderr, "memseal: HTTP %d: %s\n", response.status, detail.c_str());
  if (response.status == 401)
    std::fprintf(stderr,
                 "memseal: give a token: --token-file FILE or $MEMSEAL_TOKEN, made by "
                 "`memseal token mint --user NAME`\n");
  if (response.status == 401 || response.status == 403) return exit_denied;
  if (response.status == 404) return exit_not_found;
  return response.status == 503 ? exit_not_ready : exit_failed;
}

}  // namespace memseal::app
