#include "app/cli/document_text.hpp"

#include "pure/codec/utf16.hpp"
#include "pure/codec/utf8.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace memseal::app {

namespace {

using namespace std::string_view_literals;

Error not_text(std::string sentence) { return {Errc::bad_request, std::move(sentence)}; }

/// What a file is by its first bytes, where it is a common kind that holds no plain text.
std::string_view binary_kind(std::string_view bytes) {
  struct Kind {
    std::string_view begin, name;
  };
  static constexpr Kind kinds[] = {
      {"%PDF-"sv, "a PDF"},
      {"PK\x03\x04"sv, "a ZIP archive or an office document"},
      {"\xD0\xCF\x11\xE0"sv, "an old office document"},
      {"{\\rtf"sv, "an RTF document"},
      {"\x1F\x8B"sv, "compressed (gzip)"},
      {"\x28\xB5\x2F\xFD"sv, "compressed (zstd)"},
      {"\xFD\x37zXZ"sv, "compressed (xz)"},
      {"\x89PNG"sv, "an image"},
      {"\xFF\xD8\xFF"sv, "an image"},
      {"GIF8"sv, "an image"},
      {"\x7F\x45LF"sv, "a program"}};
  const auto* found = std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& kind) {
    return bytes.starts_with(kind.begin);
  });
  return found == std::end(kinds) ? std::string_view() : found->name;
}

bool begins_with(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char want, char is) {
           return want == (is >= 'A' && is <= 'Z' ? static_cast<char>(is + 32) : is);
         });
}

/// Whether the text is a page of HTML, whose tags and scripts are nothing to remember. White space,
/// an XML declaration and comments may stand in front.
bool is_html(std::string_view text) {
  for (;;) {
    const auto begin = text.find_first_not_of(" \t\r\n\f");
    if (begin == text.npos) return false;
    text.remove_prefix(begin);
    const std::string_view end = begins_with(text, "<!--") ? "-->"
                                 : begins_with(text, "<?xml") ? "?>"
                                                              : "";
    if (end.empty()) return begins_with(text, "<!doctype html") || begins_with(text, "<html");
    const auto behind = text.find(end);
    if (behind == text.npos) return false;
    text.remove_prefix(behind + end.size());
  }
}

Error not_plain(std::string_view kind) {
  return not_text("is " + std::string(kind) +
                  ", not text: `memseal upload --index` keeps the file, and reads documents");
}

}  // namespace

Result<std::string> document_text(std::string bytes) {
  if (bytes.empty()) return not_text("is empty: there is nothing to remember");
  if (const auto kind = binary_kind(bytes); !kind.empty()) return not_plain(kind);
  const bool zero_byte = bytes.find('\0') != std::string::npos;
  auto text = codec::utf8_of_file(std::move(bytes));
  if (!text && zero_byte) return not_text("is binary, not text");
  if (!text)
    return not_text(
        "is not UTF-8: convert it first, for example with `iconv -f CP1250 -t UTF-8`");
  if (text->find('\0') != std::string::npos)
    return not_text("holds zero bytes: it is binary, or UTF-16 without a byte order mark");
  if (is_html(*text)) return not_plain("a page of HTML");
  if (codec::is_blank(*text))
    return not_text("holds only white space: there is nothing to remember");
  return std::move(*text);
}

}  // namespace memseal::app
