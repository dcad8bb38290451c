#include "app/cli/commands.hpp"

#include "app/cli/http_client.hpp"
#include "pure/wire/sse.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace memseal::app {

namespace json = boost::json;

namespace {

std::string default_url(const Config& config) { return "http://" + config.http.listen; }

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

std::string request_body(const QueryOptions& options) {
  json::object body{
      {"query", options.text}, {"top_k", options.top_k}, {"rerank", !options.no_rerank}};
  if (options.trace) body["include_trace"] = true;
  if (!options.source.empty()) body["source"] = options.source;
  if (!options.tags.empty()) body["tags"] = json::array(options.tags.begin(), options.tags.end());
  return json::serialize(body);
}

std::string text_of(const json::object& data, std::string_view key) {
  const auto* value = data.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return std::string(value->as_string());
  if (!value->is_double()) return json::serialize(*value);
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value->as_double());
  return text;
}

// {"embed_ms": 5.2, …} as "embed 5.2 ms, …".
std::string timings_of(const json::object& data) {
  const auto* timings = data.if_contains("timings");
  if (timings == nullptr || !timings->is_object()) return "";
  std::string line;
  for (const auto& [name, value] : timings->as_object()) {
    if (!value.is_number() || !name.ends_with("_ms")) continue;
    char text[64];
    std::snprintf(text, sizeof text, "%s%.*s %.1f ms", line.empty() ? "" : ", ",
                  static_cast<int>(name.size() - 3), name.data(), value.to_number<double>());
    line += text;
  }
  return line;
}

// Text of strangers goes to a terminal: control characters must not drive it.
std::string printable(std::string_view text, std::size_t most) {
  std::string line;
  bool space = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f) {
      space = !line.empty();
      continue;
    }
    if (space) line += ' ';
    space = false;
    line += c;
  }
  if (line.size() <= most) return line;
  while (most > 0 && (static_cast<unsigned char>(line[most]) & 0xc0) == 0x80) --most;
  return line.substr(0, most) + "…";
}

// Prints the stream as it arrives, and remembers how it ended.
class StreamPrinter {
 public:
  explicit StreamPrinter(bool as_json) : as_json_(as_json) {}

  void take(const wire::SseEvent& event) {
    boost::system::error_code failure;
    auto value = json::parse(event.data, failure);
    if (failure || !value.is_object()) return;
    if (as_json_) std::printf("%s\n", event.data.c_str());
    const auto& data = value.as_object();
    if (event.type == "query.result")
      result(data);
    else if (event.type == "query.stage")
      stage(data);
    else if (event.type == "query.completed")
      completed(data);
    else if (event.type == "query.failed")
      failed(data);
    std::fflush(stdout);
  }

  bool finished() const { return finished_; }
  int exit_code() const { return exit_code_; }

 private:
  void result(const json::object& data) {
    if (as_json_) return;
    std::printf("%2s. %-7.7s %s\n    %s\n", text_of(data, "rank").c_str(),
                text_of(data, "score").c_str(), printable(text_of(data, "doc_id"), 70).c_str(),
                printable(text_of(data, "text"), 220).c_str());
  }

  void stage(const json::object& data) {
    if (!as_json_)
      std::printf("    · %s %s ms %s\n", text_of(data, "stage").c_str(),
                  text_of(data, "ms").c_str(), text_of(data, "status").c_str());
  }

  void completed(const json::object& data) {
    finished_ = true;
    if (as_json_) return;
    const auto reason = text_of(data, "fallback_reason");
    const auto ranked = text_of(data, "reranked_count"), all = text_of(data, "candidates");
    const bool reranked = text_of(data, "reranked") == "true";
    std::printf("%s results, %s", text_of(data, "count").c_str(),
                !reranked       ? "in search order"
                : ranked == all ? "reranked"
                                : ("reranked " + ranked + " of " + all + " in time").c_str());
    if (!reason.empty()) std::printf(" (%s)", reason.c_str());
    std::printf("; %s\n", timings_of(data).c_str());
  }

  void failed(const json::object& data) {
    finished_ = true;
    exit_code_ = exit_failed;
    std::fprintf(stderr, "memseal: the query failed: %s\n", text_of(data, "detail").c_str());
  }

  bool as_json_;
  bool finished_ = false;
  int exit_code_ = exit_ok;
};

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

int refused(const http::ClientResponse& response) {
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

}  // namespace

int cmd_query(const GlobalOptions& global, const QueryOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto base = options.url.empty() ? default_url(*config) : options.url;
  const auto url = http::Url::parse(base + "/api/v1/memory/query");
  if (!url) {
    complain(url.error());
    return exit_usage;
  }
  http::ClientRequest request{"POST",
                              *url,
                              {{"Accept", "text/event-stream"},
                               {"Content-Type", "application/json"},
                               {"Authorization", "Bearer " + read_token(options)}},
                              request_body(options)};
  wire::SseParser parser;
  StreamPrinter printer(global.json);
  const auto response = http::fetch(request, [&](std::string_view bytes) {
    parser.feed(bytes, [&](const wire::SseEvent& event) { printer.take(event); });
    return !printer.finished();
  });
  if (!response) {
    complain(response.error());
    return response.error().code == Errc::unavailable ? exit_not_ready : exit_failed;
  }
  if (response->status != 200) return refused(*response);
  if (!printer.finished()) {
    complain({Errc::unavailable, "the stream ended before the query did; ask again"});
    return exit_failed;
  }
  return printer.exit_code();
}

int cmd_rerank_metrics(const GlobalOptions& global, const QueryOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto base = options.url.empty() ? default_url(*config) : options.url;
  const auto url = http::Url::parse(base + "/api/v1/rerank/metrics");
  if (!url) {
    complain(url.error());
    return exit_usage;
  }
  const auto response =
      http::fetch({"GET", *url, {{"Authorization", "Bearer " + read_token(options)}}, ""});
  if (!response) {
    complain(response.error());
    return response.error().code == Errc::unavailable ? exit_not_ready : exit_failed;
  }
  if (response->status != 200) return refused(*response);
  boost::system::error_code failure;
  const auto value = json::parse(response->body, failure);
  if (global.json || failure)
    std::printf("%s\n", response->body.c_str());
  else
    print_lines("", value);
  return exit_ok;
}

int cmd_health(const GlobalOptions& global, const std::string& given) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto url = http::Url::parse(given.empty() ? default_url(*config) + "/ready" : given);
  if (!url) {
    complain(url.error());
    return exit_usage;
  }
  http::ClientRequest request;
  request.url = *url;
  request.idle_timeout = std::chrono::seconds(5);
  const auto response = http::fetch(request);
  if (!response) {
    complain(response.error());
    return exit_not_ready;
  }
  std::printf("%s\n", response->body.c_str());
  return response->status == 200 ? exit_ok : exit_not_ready;
}

}  // namespace memseal::app
