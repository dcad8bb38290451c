#include "pure/wire/internal/field_value.hpp"

#include "pure/codec/ascii.hpp"

#include <algorithm>
#include <utility>

namespace memseal::wire {

namespace {

constexpr std::string_view blanks = " \t";

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
}

std::string_view take_token(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_token_char);
  const auto token = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(token.size());
  return token;
}

/// REQUIRES: `text` begins with a quotation mark.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string out;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') {
      text.remove_prefix(at + 1);
      return out;
    }
    const bool escapes =
        text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\');
    if (escapes) ++at;
    out += text[at];
  }
  return std::nullopt;
}

std::optional<std::string> take_parameter_value(std::string_view& text) {
  if (text.starts_with('"')) return take_quoted(text);
  auto token = std::string(take_token(text));
  if (token.empty()) return std::nullopt;
  return token;
}

}  // namespace

bool is_token_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

std::optional<FieldValue> parse_field_value(std::string_view text) {
  const auto end = std::min(text.find(';'), text.size());
  auto value = text.substr(0, end);
  while (!value.empty() && blanks.find(value.back()) != blanks.npos) value.remove_suffix(1);
  skip_blanks(value);
  FieldValue parsed{codec::ascii_lower(value)};
  text.remove_prefix(end);
  while (!text.empty()) {
    if (text.front() != ';') return std::nullopt;
    text.remove_prefix(1);
    skip_blanks(text);
    if (text.empty()) break;  // some clients end with a semicolon
    const auto name = codec::ascii_lower(take_token(text));
    if (name.empty() || !text.starts_with('=')) return std::nullopt;
    text.remove_prefix(1);
    auto found = take_parameter_value(text);
    if (!found || !parsed.parameters.emplace(name, std::move(*found)).second) return std::nullopt;
    skip_blanks(text);
  }
  return parsed;
}

}  // namespace memseal::wire
