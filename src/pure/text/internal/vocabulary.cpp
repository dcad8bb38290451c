#include "pure/text/internal/vocabulary.hpp"

#include "pure/codec/utf8.hpp"
#include "pure/codec/utf8_decode.hpp"
#include "pure/text/internal/unicode_tables.hpp"
#include "pure/text/internal/word_reader.hpp"

#include <algorithm>

namespace memseal::text {
namespace {

constexpr std::string_view continuation_mark = "##";

// Whether `text` ends in a White_Space character, and its size in bytes.
std::size_t trailing_space(std::string_view text) {
  std::size_t at = text.size();
  while (at > 0 && (static_cast<unsigned char>(text[at - 1]) & 0xC0) == 0x80) --at;
  if (at == 0) return 0;
  const std::uint32_t point = codec::decode_code_point(text, --at).point;
  // The table codes U+000B, U+000C and U+0085 as dropped, because BERT's cleaning removes them. The
  // library trims lines by White_Space, which includes them.
  const bool is_space = unicode::code_of(point) == unicode::space || point == 0x0B ||
                        point == 0x0C || point == 0x85;
  return is_space ? text.size() - at : 0;
}

// No word after cleaning is longer or holds a zero byte, and ByteTrie takes no such key.
bool can_match(std::string_view part) {
  return !part.empty() && part.size() <= Word::bytes_max && part.find('\0') == part.npos;
}

}  // namespace

Result<Vocabulary> Vocabulary::parse(std::string_view content) {
  if (content.size() > bytes_max) {
    return Error{Errc::model_invalid, "The vocabulary is larger than 4 MiB."};
  }
  if (!codec::is_utf8(content)) return Error{Errc::model_invalid, "The vocabulary is not UTF-8."};
  Vocabulary words;
  while (!content.empty()) {
    const std::size_t size = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, size);
    content.remove_prefix(std::min(size + 1, content.size()));
    while (const std::size_t spaces = trailing_space(line)) line.remove_suffix(spaces);
    // Assign, not insert, because the later of two equal lines counts.
    words.ids_[line] = static_cast<std::int32_t>(words.lines_++);
  }
  for (const std::string_view special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}) {
    if (words.id_of(special) < 0) {
      return Error{Errc::model_invalid,
                   "The vocabulary lacks " + std::string(special) + ": it is not one of BERT's."};
    }
  }
  return words;
}

std::int32_t Vocabulary::id_of(std::string_view token, std::int32_t otherwise) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? otherwise : found->second;
}

// Special tokens stay in, as "[CLS]" in the file does. A word never equals one, because brackets
// are words of their own.
Vocabulary::Entries Vocabulary::starts() const {
  Entries out;
  for (const auto& [token, id] : ids_) {
    if (can_match(token) && !token.starts_with(continuation_mark)) out.emplace_back(token, id);
  }
  return out;
}

Vocabulary::Entries Vocabulary::continuations() const {
  Entries out;
  for (const auto& [token, id] : ids_) {
    if (!token.starts_with(continuation_mark)) continue;
    const std::string_view part = token.substr(continuation_mark.size());
    if (can_match(part)) out.emplace_back(part, id);
  }
  return out;
}

std::vector<AsciiWords::Entry> Vocabulary::short_words() const {
  std::vector<AsciiWords::Entry> out;
  for (const auto& [token, id] : ids_) {
    if (token.empty() || token.size() > AsciiWords::bytes_max) continue;
    const bool has_upper =
        std::any_of(token.begin(), token.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    const AsciiRun run = AsciiRun::read(token);
    if (run.size == token.size() && !has_upper) out.push_back({run, id});
  }
  // Frequent words come first in the file. Inserted first, each is found at its first slot.
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return out;
}

std::vector<bool> Vocabulary::continues() const {
  std::vector<bool> out(lines_);
  for (const auto& [token, id] : ids_) {
    out[static_cast<std::size_t>(id)] = token.starts_with(continuation_mark);
  }
  return out;
}

// With n the room and n1 the shorter length: the longer text gets n - n1 tokens, but at least n1.
// If both are then still too long, each gets half. n1 > n comes first, because n - n1 would wrap.
PairSizes longest_first(std::size_t a, std::size_t b, std::size_t room) noexcept {
  if (a + b <= room) return {a, b};
  std::size_t shorter = std::min(a, b);
  std::size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  return a > b ? PairSizes{longer, shorter} : PairSizes{shorter, longer};
}

}  // namespace memseal::text
