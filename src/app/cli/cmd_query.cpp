#include "app/cli/commands.hpp"

#include "app/cli/http_call.hpp"
#include "pure/wire/sse.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

std::string request_body(const QueryOptions& options) {
  json::object body{
      {"query", options.text}, {"top_k", options.top_k}, {"rerank", !options.no_rerank}};
  if (options.trace) body["include_trace"] = true;
  if (!options.source.empty()) body["source"] = options.source;
  if (!options.tags.empty()) body["tags"] = json::array(options.tags.begin(), options.tags.end());
  return json::serialize(body);
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

// Replaces control characters, because the text comes from strangers and goes to a terminal.
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

// Prints each event as it arrives, and remembers how the stream ended.
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

}  // namespace

int cmd_query(const GlobalOptions& global, const QueryOptions& options) {
  wire::SseParser parser;
  StreamPrinter printer(global.json);
  const auto outcome = http_call(
      global, options.url, "/api/v1/memory/query",
      {"POST",
       {},
       {{"Accept", "text/event-stream"},
        {"Content-Type", "application/json"},
        {"Authorization", "Bearer " + read_token(options)}},
       request_body(options)},
      [&](std::string_view bytes) {
        parser.feed(bytes, [&](const wire::SseEvent& event) { printer.take(event); });
        return !printer.finished();
      });
  if (const auto* code = std::get_if<int>(&outcome)) return *code;
  const auto& response = std::get<http::ClientResponse>(outcome);
  if (response.status != 200) return print_refusal(response);
  if (!printer.finished()) {
    complain({Errc::unavailable, "the stream ended before the query did; ask again"});
    return exit_failed;
  }
  return printer.exit_code();
}

}  // namespace memseal::app
