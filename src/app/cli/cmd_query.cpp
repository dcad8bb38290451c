#include "app/cli/citation.hpp"
#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/sse.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

/// The question. Its words are joined, so that it needs no quotes.
std::string question_of(const QueryOptions& options) {
  std::string text;
  for (const auto& word : options.words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// KEY=VALUE as conditions. A value that is a number, true, false or null in JSON is that; every
// other one is text.
json::object attributes_of(const std::vector<std::string>& pairs) {
  json::object conditions;
  for (const auto& pair : pairs) {
    const auto equals = pair.find('=');
    const auto text = pair.substr(equals + 1);
    const auto value = codec::parse_json(text, Errc::bad_json);
    const bool is_plain = value && !value->is_object() && !value->is_array() && !value->is_string();
    conditions[pair.substr(0, equals)] = is_plain ? *value : json::value(text);
  }
  return conditions;
}

void add_list(json::object& to, const char* name, const std::vector<std::string>& texts) {
  if (!texts.empty()) to[name] = json::array(texts.begin(), texts.end());
}

void add_questions(json::object& body, const QueryOptions& options) {
  if (options.also.empty()) {
    body["query"] = question_of(options);
    return;
  }
  json::array all{json::value(question_of(options))};
  for (const auto& text : options.also) all.emplace_back(text);
  body["queries"] = std::move(all);
}

void add_tags(json::object& body, const QueryOptions& options) {
  json::object tags;
  add_list(tags, "all", options.tags);
  add_list(tags, "any", options.tags_any);
  add_list(tags, "none", options.tags_none);
  if (!tags.empty()) body["tags"] = std::move(tags);
}

/// `where`: the conditions of --where.
std::string request_body(const QueryOptions& options, const json::object& where) {
  json::object body{{"top_k", options.top_k}, {"rerank", !options.no_rerank}};
  add_questions(body, options);
  if (options.no_hybrid) body["hybrid"] = false;
  if (options.candidates > 0) body["candidates"] = options.candidates;
  if (options.trace) body["include_trace"] = true;
  const auto add_list = [&](const char* name, const std::vector<std::string>& texts) {
    app::add_list(body, name, texts);
  };
  const auto add_text = [&](const char* name, const std::string& text) {
    if (!text.empty()) body[name] = text;
  };
  add_text("source", options.source);
  add_text("cursor", options.cursor);
  add_tags(body, options);
  add_list("documents", options.documents);
  add_list("exclude", options.exclude);
  add_text("conversation", options.conversation);
  add_text("created_after", options.created_after);
  add_text("created_before", options.created_before);
  if (options.min_score) body["min_score"] = *options.min_score;
  if (options.expand > 0) body["expand"] = options.expand;
  if (!options.attributes.empty()) body["attributes"] = attributes_of(options.attributes);
  if (!where.empty()) body["attributes"] = where;
  return json::serialize(body);
}

// {"embed_ms": 5.2, …} as "embed 5.2 ms, …".
std::string timings_of(const json::object& data) {
  const auto* timings = data.if_contains("timings");
  if (timings == nullptr || !timings->is_object()) return "";
  std::string line;
  for (const auto& [name, value] : timings->as_object()) {
    if (!value.is_number() || !name.ends_with("_ms")) continue;
    char text[32];
    std::snprintf(text, sizeof text, " %.1f ms", value.to_number<double>());
    line += line.empty() ? "" : ", ";
    line += one_line(name.substr(0, name.size() - 3), 40) + text;
  }
  return line;
}

/// The member `key`, safe for a terminal: texts come from strangers, and all else over the network.
std::string shown(const json::object& data, std::string_view key, std::size_t bytes_max) {
  return one_line(text_of(data, key), bytes_max);
}

// Prints each event as it arrives, and remembers how the stream ended.
class StreamPrinter {
 public:
  explicit StreamPrinter(bool as_json) : as_json_(as_json) {}

  void take(const wire::SseEvent& event) {
    const auto value = codec::parse_json(event.data, Errc::bad_json);
    if (!value || !value->is_object()) return;
    if (as_json_) print_json(*value);
    const auto& data = value->get_object();
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
  bool found_nothing() const { return found_nothing_; }
  int exit_code() const { return exit_code_; }

 private:
  void result(const json::object& data) {
    if (as_json_) return;
    std::printf("%2s. %-7.7s %s\n    %s\n", shown(data, "rank", 20).c_str(),
                shown(data, "score", 20).c_str(), citation_of(data).c_str(),
                shown(data, "text", 220).c_str());
  }

  void stage(const json::object& data) {
    if (!as_json_)
      std::printf("    · %s %s ms %s\n", shown(data, "stage", 40).c_str(),
                  shown(data, "ms", 20).c_str(), shown(data, "status", 40).c_str());
  }

  void completed(const json::object& data) {
    finished_ = true;
    found_nothing_ = text_of(data, "count") == "0";
    if (as_json_) return;
    const auto count = shown(data, "count", 20), reason = shown(data, "fallback_reason", 40);
    const auto ranked = shown(data, "reranked_count", 20), all = shown(data, "candidates", 20);
    const bool reranked = text_of(data, "reranked") == "true";
    std::printf("%s %s, %s", count.c_str(), count == "1" ? "result" : "results",
                !reranked       ? "in search order"
                : ranked == all ? "reranked"
                                : ("reranked " + ranked + " of " + all + " in time").c_str());
    if (!reason.empty()) std::printf(" (%s)", reason.c_str());
    std::printf("; %s\n", timings_of(data).c_str());
  }

  void failed(const json::object& data) {
    finished_ = true;
    exit_code_ = exit_failed;
    complain({Errc::internal, "the query failed: " + shown(data, "detail", 500)});
  }

  bool as_json_;
  bool finished_ = false;
  bool found_nothing_ = false;
  int exit_code_ = exit_ok;
};

const char* why_nothing(const QueryOptions& options) {
  if (options.filters())
    return "nothing matches the filters, or the memory of this user is empty; an event can be "
           "found once it is stored, a moment after it was published";
  return "the memory of this user is empty; an event can be found once it is stored, a moment "
         "after it was published";
}

/// The conditions of --where; an empty object where it is not given.
Result<json::object> where_of(const QueryOptions& options) {
  if (options.where.empty()) return json::object();
  auto value = codec::parse_json(options.where, Errc::bad_json);
  if (value && value->is_object() && !value->get_object().empty())
    return std::move(value->get_object());
  return Error{Errc::invalid_field,
               "--where is a JSON object of conditions, as in --where '{\"pages\":{\"gt\":1}}'",
               "--where"};
}

}  // namespace

int cmd_query(const GlobalOptions& global, const QueryOptions& options) {
  if (codec::is_blank(question_of(options))) {
    complain({Errc::invalid_field,
              "the question is empty: give its words, as in `memseal query who is it`"});
    return exit_usage;
  }
  const auto where = where_of(options);
  const auto token = read_token(options.service);
  if (!where || !token) {
    complain(!where ? where.error() : token.error());
    return exit_usage;
  }
  wire::SseParser parser;
  StreamPrinter printer(global.json);
  const ServiceRequest request{
      .method = "POST",
      .path = "/api/v1/memory/query",
      .token = *token,
      .headers = {{"Accept", "text/event-stream"}, {"Content-Type", "application/json"}},
      .body = request_body(options, *where)};
  const auto outcome = http_call(global, options.service, request, [&](std::string_view bytes) {
    parser.feed(bytes, [&](const wire::SseEvent& event) { printer.take(event); });
    return !printer.finished() && std::ferror(stdout) == 0;
  });
  if (const auto* code = std::get_if<int>(&outcome)) return *code;
  const auto& response = std::get<http_client::Response>(outcome);
  if (response.status != 200) return print_refusal(refusal_of(response, *token));
  if (std::ferror(stdout) != 0) return exit_ok;  // end_run() says what happened to the output
  if (!printer.finished()) {
    complain({Errc::unavailable, "the stream ended before the query did; ask again"});
    return exit_failed;
  }
  if (printer.found_nothing() && !global.quiet)
    std::fprintf(stderr, "%s\n", why_nothing(options));
  return printer.exit_code();
}

}  // namespace memseal::app
