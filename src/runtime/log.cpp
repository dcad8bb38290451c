#include "runtime/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace memseal::runtime {

namespace {

// Atomic, because any thread logs.
std::atomic<bool> as_json{false};

const std::shared_ptr<spdlog::sinks::stderr_color_sink_mt>& sink() {
  static const auto made = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  return made;
}

spdlog::logger& logger() {
  static const auto made = [] {
    auto fresh = std::make_shared<spdlog::logger>("memseal", sink());
    fresh->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
    return fresh;
  }();
  return *made;
}

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

// Escapes every byte outside printable ASCII. A value with a line feed could otherwise forge a log
// line, and one with an escape character could control the terminal that shows it.
void append_escaped(std::string& line, std::string_view value) {
  line += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      static constexpr char digits[] = "0123456789abcdef";
      line += "\\u00";
      line += digits[byte >> 4];
      line += digits[byte & 15];
    } else {
      line += c;
    }
  }
  line += '"';
}

// Bytes above 0x7f need quotes too: `char` may be signed, and then they are below the space.
bool needs_quotes(std::string_view value) {
  if (value.empty()) return true;
  for (const char c : value)
    if (c <= 0x20 || c >= 0x7f || c == '"' || c == '=' || c == '\\') return true;
  return false;
}

std::string text_line(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line(event);
  for (const auto& field : fields) {
    line.append(1, ' ').append(field.name).append(1, '=');
    if (needs_quotes(field.value))
      append_escaped(line, field.value);
    else
      line += field.value;
  }
  return line;
}

// Without the braces: the pattern of log_setup() adds them, with time and level.
std::string json_line(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "\"event\":";
  append_escaped(line, event);
  for (const auto& field : fields) {
    line += ',';
    append_escaped(line, field.name);
    line += ':';
    if (field.quoted)
      append_escaped(line, field.value);
    else
      line += field.value;
  }
  return line;
}

}  // namespace

void log_setup(LogLevel least, LogFormat format) {
  as_json = format == LogFormat::json;
  logger().set_pattern(as_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                               : "%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  logger().set_level(level_of(least));
  // A crash loses what the stream still buffers, so every level that operators rely on is flushed
  // at once.
  logger().flush_on(spdlog::level::info);
}

void set_log_colours(bool allowed) {
  sink()->set_color_mode(allowed ? spdlog::color_mode::automatic : spdlog::color_mode::never);
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!logger().should_log(level_of(level))) return;
  // Pass the line as data, because a `{` in a value must not act as a format string.
  logger().log(level_of(level), "{}",
               as_json ? json_line(event, fields) : text_line(event, fields));
}

bool parse_log_level(std::string_view name, LogLevel& level) {
  if (name == "debug")
    level = LogLevel::debug;
  else if (name == "info")
    level = LogLevel::info;
  else if (name == "warn")
    level = LogLevel::warn;
  else if (name == "error")
    level = LogLevel::error;
  else if (name == "off")
    level = LogLevel::off;
  else
    return false;
  return true;
}

}  // namespace memseal::runtime
