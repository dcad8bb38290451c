#include "pure/text/wordpiece.hpp"

#include "base/assert.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/codec/utf8_decode.hpp"
#include "pure/text/internal/ascii_words.hpp"
#include "pure/text/internal/byte_trie.hpp"
#include "pure/text/internal/unicode_tables.hpp"
#include "pure/text/internal/vocabulary.hpp"
#include "pure/text/internal/word_reader.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace memseal::text {
namespace {

// What the encoder does at a byte.
enum class Act : std::uint8_t { word, mark, skip, read, ideograph };

// The commonest ideographs, U+4E00 to U+9FFF: three bytes that begin with E4 to E9.
constexpr std::uint32_t ideograph_first = 0x4E00, ideographs_count = 0x5200;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

std::array<Act, 256> make_acts() {
  std::array<Act, 256> acts;
  acts.fill(Act::read);
  for (std::uint32_t byte = 0; byte < 0x80; ++byte) {
    const std::uint16_t code = unicode::code_of(byte);
    if (code == unicode::space) acts[byte] = Act::skip;
    if (code == unicode::punctuation) acts[byte] = Act::mark;
    // Of ASCII, only the capitals are mapped: to lower case.
    if (code == unicode::letter || code >= unicode::mapped) acts[byte] = Act::word;
  }
  for (std::uint32_t byte = 0xE4; byte <= 0xE9; ++byte) acts[byte] = Act::ideograph;
  return acts;
}

}  // namespace

// The tables made from the vocabulary, and the walk over a text that uses them.
struct WordPiece::Tables {
  explicit Tables(const Vocabulary& words)
      : starts(words.starts()), continuations(words.continuations()),
        short_words(words.short_words()), continues(words.continues()), cls(words.id_of("[CLS]")),
        sep(words.id_of("[SEP]")), unk(words.id_of("[UNK]")) {
    for (std::uint32_t byte = 0; byte < marks.size(); ++byte) {
      const char text = static_cast<char>(byte);
      marks[byte] = words.id_of({&text, 1}, unk);
    }
    for (std::uint32_t at = 0; at < ideographs.size(); ++at) {
      const std::uint32_t point = ideograph_first + at;
      // The fast path skips the table of code points, so the two must agree on every one of these.
      MEMSEAL_ASSERT(unicode::code_of(point) == unicode::ideograph);
      const char text[] = {static_cast<char>(0xE0 | point >> 12),
                           static_cast<char>(0x80 | (point >> 6 & 0x3F)),
                           static_cast<char>(0x80 | (point & 0x3F))};
      ideographs[at] = words.id_of({text, sizeof text}, unk);
    }
  }

  Act act_of(char byte) const noexcept { return acts[static_cast<unsigned char>(byte)]; }
  // Whether an ASCII word may continue at `at`, which is neither a letter nor a digit. It does when
  // the character is dropped, is ill-formed, or is a letter of another script.
  bool goes_on(std::string_view text, std::size_t at) const noexcept {
    const Act act = act_of(text[at]);
    return act == Act::read || (act == Act::ideograph && find_ideograph(text, at) < 0);
  }
  Token find_short(std::string_view text, std::size_t at) const;
  std::int32_t find_ideograph(std::string_view text, std::size_t at) const noexcept;

  // Appends until `out` holds `limit` tokens or a few more, because a word is never cut.
  void encode(std::string_view text, std::size_t limit, std::vector<Token>& out) const;
  std::size_t encode_ascii(std::string_view text, std::size_t at, std::vector<Token>& out) const;
  std::size_t encode_any(std::string_view text, std::size_t at, std::vector<Token>& out) const;
  template <class Place>
  void encode_word(const char* bytes, std::size_t size, const Place& place,
                   std::vector<Token>& out) const;

  ByteTrie starts;
  ByteTrie continuations;
  AsciiWords short_words;
  std::vector<bool> continues;  // by id: the token only continues a word
  std::int32_t cls, sep, unk;
  std::array<std::int32_t, 128> marks;  // by ASCII byte: the token of that one character
  std::array<std::int32_t, ideographs_count> ideographs;
  std::array<Act, 256> acts = make_acts();
};

// Greedy: takes the longest token each time. If no token fits somewhere, the whole word is unknown.
// `place(from, to)` gives the source bytes of a part of the word.
template <class Place>
void WordPiece::Tables::encode_word(const char* bytes, std::size_t size, const Place& place,
                                    std::vector<Token>& out) const {
  const std::size_t first = out.size();
  const ByteTrie* trie = &starts;
  for (std::size_t at = 0; at < size;) {
    const ByteTrie::Match match = trie->longest(bytes + at, size - at);
    if (match.value == ByteTrie::none) {
      // As the library does: one failure makes the whole word [UNK], and the parts found so far are
      // dropped.
      out.resize(first);
      out.push_back(place(unk, std::size_t{0}, size));
      return;
    }
    out.push_back(place(match.value, at, at + match.size));
    at += match.size;
    trie = &continuations;
  }
}

// Encodes the word that begins with the ASCII letter or digit at `at`. Returns where it ends.
std::size_t WordPiece::Tables::encode_ascii(std::string_view text, std::size_t at,
                                            std::vector<Token>& out) const {
  const std::string_view rest = text.substr(at);
  std::size_t size = 1;
  while (size < rest.size() && act_of(rest[size]) == Act::word) ++size;
  // The word goes on in another script, or an accent follows that the general reader removes.
  if (size < rest.size() && goes_on(rest, size)) return encode_any(text, at, out);
  const auto begin = static_cast<std::uint32_t>(at);
  const auto place = [begin](std::int32_t id, std::size_t from, std::size_t to) {
    return Token{id, static_cast<std::uint32_t>(begin + from),
                 static_cast<std::uint32_t>(begin + to)};
  };
  if (size > word_chars_max) {
    out.push_back(place(unk, 0, size));
    return at + size;
  }
  char lower[word_chars_max];
  std::transform(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size), lower,
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  encode_word(lower, size, place, out);
  return at + size;
}

// Encodes the next word at or after `at`, of any script. Returns where it ends.
std::size_t WordPiece::Tables::encode_any(std::string_view text, std::size_t at,
                                          std::vector<Token>& out) const {
  Word word;
  at = read_word(text, at, word);
  if (word.chars > word_chars_max) {
    out.push_back({unk, word.begin, word.end});
  } else if (word.chars > 0) {
    encode_word(word.bytes.data(), word.size,
                [&word](std::int32_t id, std::size_t from, std::size_t to) {
                  return Token{id, word.begin_of[from], word.end_of[to - 1]};
                },
                out);
  }
  return at;
}

// The token of the word at `at` if the word is short, ASCII, complete and has one token; else
// AsciiWords::none.
inline Token WordPiece::Tables::find_short(std::string_view text, std::size_t at) const {
  const auto begin = static_cast<std::uint32_t>(at);
  // AsciiRun::of() reads 16 bytes. Near the end of the text some of them would lie outside.
  if (text.size() - at <= AsciiRun::window) return {AsciiWords::none, begin, begin};
  const AsciiRun run = AsciiRun::of(text.data() + at);
  const auto end = static_cast<std::uint32_t>(at + run.size);
  if (run.size > AsciiWords::bytes_max || goes_on(text, end)) {
    return {AsciiWords::none, begin, end};
  }
  return {short_words.find(run), begin, end};
}

// The token of the ideograph at `at`; -1 when it is none of the commonest.
inline std::int32_t WordPiece::Tables::find_ideograph(std::string_view text,
                                                      std::size_t at) const noexcept {
  const auto [point, size] = codec::decode_code_point(text, at);
  const std::uint32_t index = point - ideograph_first;
  return index < ideographs.size() ? ideographs[index] : -1;
}

void WordPiece::Tables::encode(std::string_view text, std::size_t limit,
                               std::vector<Token>& out) const {
  // A token stores 32-bit offsets.
  MEMSEAL_ASSERT(text.size() <= std::numeric_limits<std::uint32_t>::max());
  for (std::size_t at = 0; at < text.size() && out.size() < limit;) {
    const auto byte = static_cast<unsigned char>(text[at]);
    switch (acts[byte]) {
      case Act::word:
        if (const auto word = find_short(text, at); word.id != AsciiWords::none) {
          out.push_back(word);
          at = word.end;
          // Nearly every word is followed by a space, which is saved a round of the loop.
          if (at < text.size() && text[at] == ' ') ++at;
        } else {
          at = encode_ascii(text, at, out);
        }
        break;
      case Act::mark:
        out.push_back({marks[byte], static_cast<std::uint32_t>(at),
                       static_cast<std::uint32_t>(at + 1)});
        ++at;
        break;
      case Act::skip:
        ++at;
        break;
      case Act::ideograph:
        if (const std::int32_t id = find_ideograph(text, at); id >= 0) {
          out.push_back({id, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + 3)});
          at += 3;
          break;
        }
        [[fallthrough]];
      case Act::read:
        at = encode_any(text, at, out);
        break;
    }
  }
}

Result<WordPiece> WordPiece::from_vocabulary(std::string_view vocabulary) {
  auto words = Vocabulary::parse(vocabulary);
  if (!words) return words.error();
  // The tables copy what they need. `vocabulary`, which `words` points into, may go afterwards.
  return WordPiece(std::make_unique<const Tables>(*words));
}

WordPiece::WordPiece(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
WordPiece::~WordPiece() = default;
WordPiece::WordPiece(WordPiece&&) noexcept = default;
WordPiece& WordPiece::operator=(WordPiece&&) noexcept = default;

void WordPiece::encode(std::string_view utf8, std::vector<Token>& out) const {
  tables_->encode(utf8, no_limit, out);
}

std::vector<std::int32_t> WordPiece::encode_single(std::string_view utf8,
                                                   std::size_t tokens_max) const {
  MEMSEAL_ASSERT(tokens_max >= 2);
  std::vector<Token> tokens;
  tables_->encode(utf8, tokens_max - 2, tokens);
  tokens.resize(std::min(tokens.size(), tokens_max - 2));
  std::vector<std::int32_t> ids;
  ids.reserve(tokens.size() + 2);
  ids.push_back(tables_->cls);
  for (const Token& token : tokens) ids.push_back(token.id);
  ids.push_back(tables_->sep);
  return ids;
}

TokenPair WordPiece::encode_pair(std::string_view a, std::string_view b,
                                 std::size_t tokens_max) const {
  MEMSEAL_ASSERT(tokens_max >= 3);
  const std::size_t room = tokens_max - 3;
  std::vector<Token> tokens;
  tables_->encode(a, no_limit, tokens);
  // The rule needs the whole length of `a`. Callers bound the text of a question.
  const std::size_t size_a = tokens.size();
  // Encode no more of b than the rule needs: it compares b with a and with the room.
  tables_->encode(b, size_a + std::max(size_a, room) + 1, tokens);
  const PairSizes kept = longest_first(size_a, tokens.size() - size_a, room);
  TokenPair pair;
  pair.ids.reserve(kept.a + kept.b + 3);
  pair.ids.push_back(tables_->cls);
  for (std::size_t at = 0; at < kept.a; ++at) pair.ids.push_back(tokens[at].id);
  pair.ids.push_back(tables_->sep);
  pair.segment_b = pair.ids.size();
  for (std::size_t at = 0; at < kept.b; ++at) pair.ids.push_back(tokens[size_a + at].id);
  pair.ids.push_back(tables_->sep);
  return pair;
}

bool WordPiece::continues_word(std::int32_t id) const noexcept {
  return id >= 0 && static_cast<std::size_t>(id) < tables_->continues.size() &&
         tables_->continues[static_cast<std::size_t>(id)];
}
std::int32_t WordPiece::cls_id() const noexcept { return tables_->cls; }
std::int32_t WordPiece::sep_id() const noexcept { return tables_->sep; }
std::size_t WordPiece::vocabulary_size() const noexcept { return tables_->continues.size(); }

}  // namespace memseal::text
