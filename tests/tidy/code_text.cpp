#include "code_text.hpp"

#include <algorithm>
#include <cctype>

namespace memseal::tidy {
namespace {

void blank(std::string& text, std::size_t first, std::size_t last) {
  for (auto i = first; i < std::min(last, text.size()); ++i)
    if (text[i] != '\n') text[i] = ' ';
}

std::size_t after(const std::string& text, const std::string& end, std::size_t from) {
  const auto found = text.find(end, from);
  return found == std::string::npos ? text.size() : found + end.size();
}

std::size_t after_literal(const std::string& text, std::size_t quote) {
  auto i = quote + 1;
  while (i < text.size() && text[i] != text[quote] && text[i] != '\n')
    i += text[i] == '\\' ? 2 : 1;
  return i + 1;
}

bool is_letter_or_digit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::string code_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + '\n';
  for (std::size_t i = 0; i < text.size();) {
    auto next = i + 1;
    if (text.compare(i, 2, "//") == 0) {
      next = std::min(text.find('\n', i), text.size());
      blank(text, i, next);
    } else if (text.compare(i, 2, "/*") == 0) {
      next = after(text, "*/", i);
      blank(text, i, next);
    } else if (text.compare(i, 2, "R\"") == 0) {
      const auto open = text.find('(', i);
      next = after(text, ")" + text.substr(i + 2, open - i - 2) + "\"", i);
      blank(text, i + 2, next - 1);
    } else if (text[i] == '"' ||
               (text[i] == '\'' && (i == 0 || !is_letter_or_digit(text[i - 1])))) {  // not 1'000
      next = after_literal(text, i);
      blank(text, i + 1, next - 1);
    }
    i = next;
  }
  return text;
}

}  // namespace memseal::tidy
