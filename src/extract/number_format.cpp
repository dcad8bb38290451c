#include "extract/number_format.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace memseal::extract {

namespace {

using NumberKind = NumberFormat::Kind;

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_of_time(std::string_view text) {
  return !text.empty() && text.find_first_not_of("hms") == text.npos;
}

/// What the letters of one section say; text, fillers, colours and conditions say nothing.
struct Letters {
  bool has_date = false, has_time = false, has_month = false, has_seconds = false;
  bool is_elapsed = false, is_percent = false;
  int decimals = 0;
};

/// The place behind what begins at `at` and is no letter of the format; `at` where it is one.
std::size_t behind_text(std::string_view code, std::size_t at, Letters& letters) {
  const auto behind = [&](std::size_t end) { return end == code.npos ? code.size() : end + 1; };
  switch (code[at]) {
    case '\\':
    case '_':
    case '*':
      return at + 2;
    case '"':
      return behind(code.find('"', at + 1));
    case '[': {
      const auto end = code.find(']', at);
      std::string word(code.substr(at + 1, end == code.npos ? end : end - at - 1));
      for (auto& c : word) c = small(c);
      if (is_of_time(word)) letters.is_elapsed = true;
      if (is_of_time(word) && word[0] == 's') letters.has_seconds = true;
      return behind(end);
    }
    case 'A':
    case 'a':
      return code.substr(at, 5).size() == 5 && code[at + 2] == '/' ? at + 5 : at + 1;  // AM/PM
    default:
      return at;
  }
}

Letters letters_of(std::string_view code) {
  Letters letters;
  bool in_decimals = false;
  for (std::size_t at = 0; at < code.size() && code[at] != ';';) {
    if (const auto next = behind_text(code, at, letters); next != at) {
      at = next;
      continue;
    }
    const char c = small(code[at++]);
    letters.has_date = letters.has_date || c == 'y' || c == 'd';
    letters.has_time = letters.has_time || c == 'h' || c == 's';
    letters.has_seconds = letters.has_seconds || c == 's';
    letters.has_month = letters.has_month || c == 'm';
    letters.is_percent = letters.is_percent || c == '%';
    if (c == '.') in_decimals = true;
    if (in_decimals && (c == '0' || c == '#' || c == '?')) ++letters.decimals;
  }
  return letters;
}

/// The day of a serial number; none outside of the years 1900 to 9999.
std::optional<std::string> date_of(std::int64_t day, bool since_1904) {
  constexpr std::int64_t day_max = 2'958'465, of_1904 = 1'462;  // 9999-12-31, 1904-01-01
  if (day < (since_1904 ? 0 : 1) || day > day_max - (since_1904 ? of_1904 : 0)) return std::nullopt;
  // 1900 was no leap year, but Lotus 1-2-3 took it for one, and all follow it.
  if (!since_1904 && day == 60) return "1900-02-29";
  using namespace std::chrono;
  const sys_days first = since_1904  ? sys_days(year(1904) / 1 / 1)
                         : day < 60 ? sys_days(year(1899) / 12 / 31)
                                    : sys_days(year(1899) / 12 / 30);
  const year_month_day date(first + days(day));
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", int(date.year()), unsigned(date.month()),
                unsigned(date.day()));
  return text;
}

std::string time_of(std::int64_t seconds, bool has_seconds) {
  char text[48];
  const auto hours = static_cast<long long>(seconds / 3'600);
  const auto minutes = static_cast<int>(seconds / 60 % 60), rest = static_cast<int>(seconds % 60);
  if (has_seconds)
    std::snprintf(text, sizeof text, "%02lld:%02d:%02d", hours, minutes, rest);
  else
    std::snprintf(text, sizeof text, "%02lld:%02d", hours, minutes);
  return text;
}

std::optional<std::string> moment_of(double number, const NumberFormat& format, bool since_1904) {
  constexpr double number_max = 3e6;  // beyond the last day
  constexpr std::int64_t day_s = 86'400;
  if (number < 0 || number > number_max) return std::nullopt;
  const bool is_date = format.kind == NumberKind::date ||
                       (format.kind == NumberKind::date_or_time && number >= 1);
  // Without a time the last moment of a day is not rounded to the next one.
  if (is_date) return date_of(static_cast<std::int64_t>(number), since_1904);
  const auto seconds = static_cast<std::int64_t>(std::llround(number * day_s));
  const auto day = seconds / day_s, second = seconds % day_s;
  if (format.kind == NumberKind::elapsed) return time_of(seconds, format.has_seconds);
  if (format.kind != NumberKind::date_time) return time_of(second, format.has_seconds);
  const auto date = date_of(day, since_1904);
  if (!date) return date;
  return *date + ' ' + time_of(second, format.has_seconds);
}

/// With `decimals` behind the point, or at most 15 digits in all where that is negative.
std::string digits_of(double number, int decimals) {
  char text[400];
  const auto form = decimals < 0 ? std::chars_format::general : std::chars_format::fixed;
  const int precision = decimals < 0 ? 15 : decimals;
  return {text, std::to_chars(text, text + sizeof text, number, form, precision).ptr};
}

std::string percentage_of(double number, int decimals) {
  constexpr double nearly = 1e-13;  // 0.145 is a little less, but has its half all the same
  const double scale = std::pow(10.0, decimals), scaled = 100 * number * scale;
  return digits_of(std::round(scaled + nearly * scaled) / scale, decimals) + '%';
}

}  // namespace

NumberFormat built_in_format(int id) {
  // clang-format off
  switch (id) {
    case 9: case 67: return {NumberKind::percent, 0};
    case 10: case 68: return {NumberKind::percent, 2};
    case 14: case 15: case 16: case 17: case 27: case 28: case 29: case 30: case 31: case 36:
    case 50: case 51: case 54: case 57: case 58: case 71: case 72: case 73: case 74: case 81:
      return {NumberKind::date};
    case 18: case 20: case 32: case 75: return {NumberKind::time};
    case 19: case 21: case 33: case 45: case 47: case 76: case 78: case 80:
      return {NumberKind::time, 0, true};
    case 22: case 77: return {NumberKind::date_time};
    case 34: case 35: case 52: case 53: case 55: case 56: return {NumberKind::date_or_time};
    case 46: case 79: return {NumberKind::elapsed, 0, true};
    default: return {};
  }
  // clang-format on
}

NumberFormat format_of_code(std::string_view code) {
  constexpr int decimals_max = 15;
  if (code.starts_with("General")) return {};
  const auto letters = letters_of(code);
  if (letters.is_elapsed) return {NumberKind::elapsed, 0, letters.has_seconds};
  if (letters.has_date && letters.has_time) return {NumberKind::date_time, 0, letters.has_seconds};
  if (letters.has_time) return {NumberKind::time, 0, letters.has_seconds};
  if (letters.has_date || letters.has_month) return {NumberKind::date};
  if (letters.is_percent) return {NumberKind::percent, std::min(letters.decimals, decimals_max)};
  return {};
}

std::string shown_number(std::string_view value, const NumberFormat& format, bool since_1904) {
  constexpr double percent_max = 1e15;
  std::string as_it_is(value);
  double number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  if (read.ec != std::errc() || read.ptr != value.data() + value.size() || !std::isfinite(number))
    return as_it_is;
  switch (format.kind) {
    case NumberKind::general:
      return value.find_first_of(".eE") == value.npos ? as_it_is : digits_of(number, -1);
    case NumberKind::percent:
      if (std::abs(number) > percent_max) return as_it_is;
      return percentage_of(number, format.decimals);
    default:
      return moment_of(number, format, since_1904).value_or(as_it_is);
  }
}

}  // namespace memseal::extract
