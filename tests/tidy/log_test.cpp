// Log lines as an operator queries them: `module.event`, and one name for the reason.
#include "sources.hpp"

#include <gtest/gtest.h>

#include <regex>

namespace memseal::tidy {
namespace {

/// One call of runtime::log: the names that its event may have, and its fields.
struct LogCall {
  std::size_t line = 0;  ///< from 1
  std::vector<std::string> events, fields;
};

// The text of a call between its parentheses, by arguments. `at` is after the opening one.
std::vector<std::string> arguments(const std::string& text, std::size_t at) {
  std::vector<std::string> all(1);
  int depth = 0;
  for (bool quoted = false; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"' && text[at - 1] != '\\') quoted = !quoted;
    if (!quoted && (c == '(' || c == '{')) ++depth;
    if (!quoted && (c == ')' || c == '}') && --depth < 0) return all;
    if (!quoted && c == ',' && depth == 0)
      all.emplace_back();
    else
      all.back() += c;
  }
  return all;
}

std::vector<std::string> matches(const std::string& text, const char* pattern) {
  std::vector<std::string> all;
  const std::regex form(pattern);
  for (std::sregex_iterator i(text.begin(), text.end(), form), end; i != end; ++i)
    all.push_back((*i)[1]);
  return all;
}

std::vector<LogCall> log_calls(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line.substr(0, line.find("//")) + '\n';
  static const std::regex call(R"(\blog\(\s*(?=[^"]*(LogLevel|level))[^"]*?,)");
  std::vector<LogCall> all;
  for (std::sregex_iterator i(text.begin(), text.end(), call), end; i != end; ++i) {
    const auto at = static_cast<std::size_t>(i->position());
    const auto given = arguments(text, at + 4);
    if (given.size() < 2 || given[0].find('"') != std::string::npos) continue;
    LogCall one;
    one.line =
        1 + static_cast<std::size_t>(std::count(text.begin(), text.begin() + i->position(), '\n'));
    one.events = matches(given[1], R"re("([^"]*)")re");
    if (given.size() > 2) one.fields = matches(given[2], R"re(\{\s*"([^"]*)"\s*,)re");
    all.push_back(one);
  }
  return all;
}

std::string complaint(const std::string& room, const LogCall& call) {
  static const std::regex form("([a-z][a-z0-9]*)\\.[a-z][a-z0-9_]*");
  const auto module = room.substr(room.rfind('/') + 1);
  for (const auto& event : call.events) {
    std::smatch found;
    if (!std::regex_match(event, found, form)) return "'" + event + "' is not module.event";
    // What operators know by one name: requests, the process, the GPU.
    const bool http = found[1] == "http" && room.starts_with("http/");
    if (found[1] != module && !http && found[1] != "service" && found[1] != "gpu")
      return "'" + event + "' does not begin with '" + module + ".'";
  }
  for (const auto& field : call.fields)
    if (field == "reason" || field == "what" || field == "why")
      return "the field '" + field + "' is called cause";
  return "";
}

TEST(Log, AnEventIsNamedByItsModuleAndItsReasonIsTheCause) {
  std::size_t checked = 0;
  for (const auto& source : sources_under({"src"})) {
    if (source.is_in("runtime")) continue;  // log itself
    for (const auto& call : log_calls(source.lines)) {
      checked += call.events.size();
      EXPECT_FALSE(call.events.empty()) << source.path << ":" << call.line
                                        << ": the event stands in the call, so that it is found";
      EXPECT_EQ(complaint(source.room(), call), "") << source.path << ":" << call.line;
    }
  }
  EXPECT_GT(checked, 30u);
}

TEST(Log, AFaultIsSeen) {
  const std::vector<std::string> lines{
      "void f() {",
      "  runtime::log(runtime::LogLevel::warn, \"kafka.commit_failed\",",
      "               {{\"cause\", describe(a, b)}, {\"partition\", 3}});",
      "  log(bad ? LogLevel::warn : LogLevel::info, bad ? \"kafka.down\" : \"kafka_up\");",
      "  log(level_of(x), \"kafka.lost\", {{\"text\", \"say (no)\"}, {\"why\", y}});",
      "}"};
  const auto calls = log_calls(lines);
  ASSERT_EQ(calls.size(), 3u);
  EXPECT_EQ(complaint("adapters/kafka", calls[0]), "");
  EXPECT_EQ(calls[0].fields, (std::vector<std::string>{"cause", "partition"}));
  EXPECT_EQ(complaint("adapters/redis", calls[0]),
            "'kafka.commit_failed' does not begin with 'redis.'");
  EXPECT_EQ(complaint("adapters/kafka", calls[1]), "'kafka_up' is not module.event");
  EXPECT_EQ(calls[2].line, 5u);
  EXPECT_EQ(complaint("adapters/kafka", calls[2]), "the field 'why' is called cause");
}

}  // namespace
}  // namespace memseal::tidy
