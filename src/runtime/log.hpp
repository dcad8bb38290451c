#pragma once
// Structured logs: one event name and a few fields.
// NOTE: never log content, tokens, keys or whole user hashes.
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace memseal::runtime {

enum class LogLevel { debug, info, warn, error, off };
enum class LogFormat { text, json };

/// One `name=value` of a log line. The line is ASCII: control characters and other bytes are
/// written as `\u00xx`, so that no value can forge a line or a field.
struct LogField {
  std::string_view name;
  std::string value;
  bool quoted = true;  ///< false: a number or a truth value

  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(v) {}
  LogField(std::string_view n, const std::string& v) : name(n), value(v) {}
  LogField(std::string_view n, bool v) : name(n), value(v ? "true" : "false"), quoted(false) {}
  template <class Number>
  requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool>)
      LogField(std::string_view n, Number v)
      : name(n), value(std::to_string(v)), quoted(!is_json_number(v)) {}

 private:
  // JSON has no infinity and no NaN.
  template <class Number>
  static bool is_json_number(Number v) {
    if constexpr (std::is_floating_point_v<Number>) return std::isfinite(v);
    return true;
  }
};

/// Sets the least level and the format. Lines go to stderr, because stdout carries data.
/// REQUIRES: called once, at start.
void log_setup(LogLevel least, LogFormat format);

/// Whether a terminal gets colours; it does unless this says no. Anything else never gets them.
/// REQUIRES: called at start.
void set_log_colours(bool allowed);

/// Writes one line. Thread: any.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

/// False for an unknown name; `level` then keeps its value.
bool parse_log_level(std::string_view name, LogLevel& level);

}  // namespace memseal::runtime
