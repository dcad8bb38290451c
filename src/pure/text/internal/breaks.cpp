#include "pure/text/internal/breaks.hpp"

#include "pure/codec/utf8_decode.hpp"
#include "pure/text/internal/unicode_tables.hpp"

#include <algorithm>
#include <array>

namespace memseal::text {
namespace {

using namespace std::string_view_literals;

// Marks that end a sentence only before white space, and marks that end it anywhere.
constexpr std::array stops{"."sv, "!"sv, "?"sv, "…"sv, "‼"sv, "⁇"sv, "⁈"sv, "⁉"sv,
                           "।"sv, "॥"sv, "؟"sv, "۔"sv, "։"sv, "።"sv, "။"sv};
constexpr std::array wide_stops{"。"sv, "！"sv, "？"sv, "｡"sv};
constexpr std::array closers{"\""sv, "'"sv, ")"sv, "]"sv, "}"sv, "”"sv, "’"sv,
                             "»"sv,  "›"sv, "」"sv, "』"sv, "）"sv, "】"sv, "》"sv};
constexpr std::size_t closers_max = 4;  // of one sentence
constexpr std::size_t tokens_at_once = 1u << 16;  // between two calls of make_way

template <std::size_t size>
bool is_one_of(const std::array<std::string_view, size>& all, std::string_view text) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

struct Gap {
  bool has_space = false;
  int lines = 0;  // line ends
};

Gap read_gap(std::string_view gap) {
  // One space is by far the commonest gap, so it takes no walk over code points.
  Gap found{.has_space = gap == " "};
  if (gap.empty() || found.has_space) return found;
  for (std::size_t at = 0; at < gap.size();) {
    const auto [point, size] = codec::decode_code_point(gap, at);
    at += size;
    if (unicode::code_of(point) != unicode::space) continue;
    found.has_space = true;
    // The line feed of a CRLF is counted when it comes.
    const bool is_crlf = point == '\r' && at < gap.size() && gap[at] == '\n';
    if (point == '\n' || point == 0x2028 || (point == '\r' && !is_crlf)) ++found.lines;
    if (point == 0x2029) found.lines += 2;
  }
  return found;
}

// Rules out nearly every token cheaply: letters, digits and ideographs are neither stop nor closer.
bool may_end_sentence(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return !(((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || (byte >= '0' && byte <= '9') ||
           (byte >= 0xE4 && byte <= 0xE9));
}

// Whether a sentence ends before token `at` >= 1.
bool ends_sentence(std::string_view document, std::span<const Token> tokens, std::size_t at,
                   bool has_space) {
  const auto text_of = [&](std::size_t token) {
    return document.substr(tokens[token].begin, tokens[token].end - tokens[token].begin);
  };
  if (!may_end_sentence(document[tokens[at - 1].begin])) return false;
  if (!has_space && is_one_of(closers, text_of(at))) return false;  // `at` belongs to it
  std::size_t last = at - 1;
  // Closing quotes and brackets belong to the sentence: the stop stands before them.
  for (std::size_t count = 0; last > 0 && count < closers_max; ++count) {
    if (!is_one_of(closers, text_of(last))) break;
    --last;
  }
  const std::string_view stop = text_of(last);
  if (is_one_of(wide_stops, stop)) return true;
  if (!has_space || !is_one_of(stops, stop)) return false;
  const char next = document[tokens[at].begin];
  return stop != "." || next < 'a' || next > 'z';  // "e.g. this" does not end
}

}  // namespace

std::vector<Break> breaks(const WordPiece& words, std::string_view document,
                          std::span<const Token> tokens, const std::function<void()>& make_way) {
  std::vector<Break> out(tokens.size(), Break::paragraph);
  for (std::size_t at = 1; at < tokens.size(); ++at) {
    if (at % tokens_at_once == 0) make_way();
    if (words.continues_word(tokens[at].id)) {
      out[at] = Break::inside;
      continue;
    }
    const std::uint32_t end = tokens[at - 1].end, begin = std::max(tokens[at].begin, end);
    const Gap gap = read_gap(document.substr(end, begin - end));
    out[at] = gap.lines > 1                                            ? Break::paragraph
              : gap.lines == 1                                         ? Break::line
              : ends_sentence(document, tokens, at, gap.has_space)     ? Break::sentence
              : gap.has_space                                          ? Break::space
                                                                       : Break::word;
  }
  return out;
}

}  // namespace memseal::text
