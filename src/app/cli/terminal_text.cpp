#include "app/cli/terminal_text.hpp"

#include "pure/codec/utf8_decode.hpp"

#include <cstdint>
#include <cstdio>

namespace memseal::app {

namespace {

// U+009B alone begins a terminal command, as ESC [ does; U+2028 and U+2029 end a line.
bool is_control(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x2028 || point == 0x2029;
}

// The embeddings, overrides, isolates and marks of Unicode's bidirectional algorithm: they make a
// line read as other text than it is.
bool is_bidi_control(std::uint32_t point) {
  return (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) ||
         point == 0x200e || point == 0x200f || point == 0x061c;
}

constexpr std::string_view replacement_utf8 = "\xef\xbf\xbd";

/// Calls `visit(point, its bytes)` for each code point.
template <class Visit>
void for_each_point(std::string_view text, Visit visit) {
  for (std::size_t at = 0; at < text.size();) {
    const auto [point, size] = codec::decode_code_point(text, at);
    const bool ill_formed =
        point == codec::replacement_character && text.substr(at, size) != replacement_utf8;
    visit(point, ill_formed ? replacement_utf8 : text.substr(at, size));
    at += size;
  }
}

}  // namespace

std::string one_line(std::string_view text, std::size_t bytes_max) {
  std::string line;
  bool gap = false, cut = false;
  for_each_point(text, [&](std::uint32_t point, std::string_view bytes) {
    if (is_bidi_control(point) || cut) return;
    if (is_control(point) || point == ' ') {
      gap = !line.empty();
      return;
    }
    cut = line.size() + (gap ? 1 : 0) + bytes.size() > bytes_max;
    if (cut) return;
    if (gap) line += ' ';
    gap = false;
    line += bytes;
  });
  return cut ? line + "…" : line;
}

std::string escape_controls(std::string_view json) {
  std::string safe;
  for_each_point(json, [&](std::uint32_t point, std::string_view bytes) {
    if (point == '\r') {
      safe += ' ';  // White space to JSON; a terminal would go back and overwrite the line.
    } else if (point == '\n' || point == '\t' || !(is_control(point) || is_bidi_control(point))) {
      safe += bytes;
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(point));
      safe += escape;
    }
  });
  return safe;
}

std::string count_of(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

}  // namespace memseal::app
