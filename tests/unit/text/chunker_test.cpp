#include "pure/text/chunker.hpp"

#include "pure/codec/utf8.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <string>

namespace memseal::text {
namespace {

using namespace std::string_literals;

// Words a to e, some pieces, and a few signs; everything else is unknown.
const WordPiece& words() {
  static const WordPiece made = WordPiece::from_vocabulary(
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\ne\nab\n##a\n##b\n##c\n.\n!\n。\n一\n,\n\"\n)\n")
      .value();
  return made;
}

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> out;
  words().encode(text, out);
  return out;
}

std::vector<std::int32_t> ids_of(std::string_view text) {
  std::vector<std::int32_t> out;
  for (const Token& token : tokens_of(text)) out.push_back(token.id);
  return out;
}

std::vector<std::string> texts(std::string_view document, const ChunkRules& rules) {
  std::vector<std::string> out;
  for (const Chunk& piece : chunk(words(), document, rules)) out.push_back(piece.text);
  return out;
}

using Texts = std::vector<std::string>;

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t at = 0; at < times; ++at) out += text;
  return out;
}

// Byte where each code point of `document` begins, and its end.
std::vector<std::size_t> code_points(std::string_view document) {
  std::vector<std::size_t> out;
  for (std::size_t at = 0; at < document.size(); ++at) {
    if ((static_cast<unsigned char>(document[at]) & 0xC0) != 0x80) out.push_back(at);
  }
  out.push_back(document.size());
  return out;
}

// What the header promises of any document and rules.
void expect_contract(std::string_view document, const ChunkRules& rules) {
  const auto chunks = chunk(words(), document, rules);
  const auto places = code_points(document);
  const auto whole = tokens_of(document);
  std::size_t covered = 0, last_begin = 0;
  for (std::size_t at = 0; at < chunks.size(); ++at) {
    const Chunk& piece = chunks[at];
    ASSERT_EQ(piece.index, static_cast<std::int32_t>(at));
    ASSERT_LT(piece.char_start, piece.char_end);
    const std::size_t begin = places.at(static_cast<std::size_t>(piece.char_start));
    const std::size_t end = places.at(static_cast<std::size_t>(piece.char_end));
    ASSERT_EQ(piece.text, document.substr(begin, end - begin));
    ASSERT_LE(piece.text.size(), limits::seal_bytes_max);
    ASSERT_TRUE(codec::is_utf8(piece.text));
    ASSERT_FALSE(piece.tokens.empty());
    ASSERT_LE(piece.tokens.size(), rules.tokens);
    ASSERT_TRUE(at == 0 || begin >= last_begin);
    last_begin = begin;
    const bool is_cut = words().continues_word(piece.tokens.front()) ||
                        (at + 1 < chunks.size() &&
                         words().continues_word(chunks[at + 1].tokens.front()));
    if (!is_cut) {
      ASSERT_EQ(ids_of(piece.text), piece.tokens) << at << " of " << chunks.size();
    }
    // The chunk goes on where those before it ended, or repeats a little.
    const std::size_t before = covered;
    const std::size_t repeated_max = std::min({rules.overlap, rules.tokens / 2, before});
    for (std::size_t back = 0; back <= repeated_max && covered == before; ++back) {
      const auto first = whole.begin() + static_cast<std::ptrdiff_t>(before - back);
      const bool is_here = first != whole.end() && first->begin == begin &&
                           piece.tokens.size() <= static_cast<std::size_t>(whole.end() - first) &&
                           std::equal(piece.tokens.begin(), piece.tokens.end(), first,
                                      [](std::int32_t id, const Token& t) { return id == t.id; });
      if (is_here) covered = before - back + piece.tokens.size();
    }
    ASSERT_GT(covered, before) << "chunk " << at << " leaves a gap or brings nothing new";
  }
  EXPECT_EQ(covered, whole.size());
}

TEST(Chunker, GivesNoChunkWithoutAToken) {
  for (const auto& document : {""s, " \n\t "s, "\xCC\x81\xE2\x80\x8B"s, "\0\0"s}) {
    EXPECT_TRUE(chunk(words(), document, {}).empty());
  }
}

TEST(Chunker, KeepsAShortDocumentWholeWithoutItsOuterWhiteSpace) {
  const auto chunks = chunk(words(), " \n é a\n\nb \n", {});
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].text, "é a\n\nb");
  EXPECT_EQ(chunks[0].char_start, 3);
  EXPECT_EQ(chunks[0].char_end, 9);
  EXPECT_EQ(chunks[0].tokens, (std::vector<std::int32_t>{8, 4, 5}));
}

TEST(Chunker, CutsAtTheBestBoundaryThatFits) {
  const ChunkRules six{.tokens = 6};
  struct Case {
    const char* what;
    std::string document;
    Texts expected;
  };
  const Case cases[] = {
      {"a paragraph before a line", "a b c\n\nd\na b c d", {"a b c", "d\na b c d"}},
      {"... with blanks in its empty line", "a b c\r\n \t\r\nd\na b c d", {"a b c", "d\na b c d"}},
      {"... by U+2029", "a b c\xE2\x80\xA9""d\na b c d", {"a b c", "d\na b c d"}},
      {"a line before a sentence", "a b c\nd. a b c d", {"a b c", "d. a b c d"}},
      {"... ended by CR alone", "a b c\rd. a b c d", {"a b c", "d. a b c d"}},
      {"a sentence before a space", "a b C. D a b c d", {"a b C.", "D a b c d"}},
      {"no sentence before lower case", "a b c. d a b c d", {"a b c. d a", "b c d"}},
      {"after ! in any case", "a b c! d a b c d", {"a b c!", "d a b c d"}},
      {"a closing quote belongs to its sentence", "a b!\") a b c d", {"a b!\")", "a b c d"}},
      {"a sentence without spaces", "一一一。一一一一", {"一一一。", "一一一一"}},
      {"... and its closing bracket", "一一一。)一一一一", {"一一一。)", "一一一一"}},
      {"a space before touching words", "a b c d a,b c", {"a b c d", "a,b c"}},
      {"touching words before a word's inside", "一一一一一abcabc", {"一一一一一", "abcabc"}},
      {"the last of equals", "a b c d e a b c", {"a b c d e a", "b c"}},
      {"not too early", "a\n\nb c d e a b c", {"a\n\nb c d e a", "b c"}},
      {"early rather than inside a word", "a abcaaaa b", {"a", "abcaaaa", "b"}},
  };
  for (const Case& c : cases) EXPECT_EQ(texts(c.document, six), c.expected) << c.what;
}

TEST(Chunker, CutsAWordOnlyWhenItAloneIsTooLong) {
  const auto chunks = chunk(words(), "c abaaaaaa c", {.tokens = 3});
  ASSERT_EQ(chunks.size(), 4u);
  EXPECT_EQ(chunks[0].text, "c");
  EXPECT_EQ(chunks[1].text, "abaa");
  EXPECT_EQ(chunks[2].text, "aaa");
  EXPECT_EQ(chunks[2].tokens, (std::vector<std::int32_t>{10, 10, 10})) << "the word's own pieces";
  EXPECT_EQ(chunks[3].text, "a c");
}

TEST(Chunker, RepeatsWholeWordsUpToTheOverlap) {
  EXPECT_EQ(texts("a b c d e a b c", {.tokens = 4, .overlap = 1}),
            (Texts{"a b c d", "d e a b", "b c"}));
  EXPECT_EQ(texts("a b c d e a b c", {.tokens = 4, .overlap = 2}),
            (Texts{"a b c d", "c d e a", "e a b c"}));
  EXPECT_EQ(texts("a b c d e a b c", {.tokens = 4, .overlap = 99}),
            (Texts{"a b c d", "c d e a", "e a b c"})) << "at most half";
  EXPECT_EQ(texts("a abaa b c", {.tokens = 4, .overlap = 2}), (Texts{"a abaa", "b c"}))
      << "never part of a word";
}

TEST(Chunker, KeepsTheAccentsOfItsLastWord) {
  EXPECT_EQ(texts("a b\xCC\x81 c d", {.tokens = 2}), (Texts{"a b\xCC\x81", "c d"}));
  EXPECT_EQ(texts("a b\x01\x02 c d", {.tokens = 2}), (Texts{"a b", "c d"})) << "but no controls";
}

TEST(Chunker, CountsOffsetsInCodePointsOfTheWholeDocument) {
  const auto chunks = chunk(words(), "😀 é\n\n一a", {.tokens = 2});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].char_start, 0);
  EXPECT_EQ(chunks[0].char_end, 3);
  EXPECT_EQ(chunks[1].char_start, 5);
  EXPECT_EQ(chunks[1].char_end, 7);
}

TEST(Chunker, KeepsItsContractForRandomDocuments) {
  std::mt19937_64 random(7);
  const Texts pieces = {"a", "b", "c", "ab", "abc", "x", " ", " ", " ", "\n", "\n\n", "\r\n",
                        ".", "! ", "。", "一", "é", "\xCC\x81", "\0"s, "😀", "\xE2\x80\xA9", ",",
                        "aaaaaaaaa", "\"", "\xEA\xB0\x80"};
  for (int round = 0; round < 3'000; ++round) {
    std::string document;
    const std::size_t count = random() % 120;
    for (std::size_t at = 0; at < count; ++at) document += pieces[random() % pieces.size()];
    const std::size_t tokens = 1 + random() % 30;
    const std::size_t overlap = random() % 3 ? 0 : random() % (tokens + 1);
    expect_contract(document, {.tokens = tokens, .overlap = overlap});
    if (::testing::Test::HasFatalFailure()) {
      FAIL() << ::testing::PrintToString(document) << " tokens " << tokens << " overlap "
             << overlap;
    }
  }
}

TEST(Chunker, StaysLinearAndInBoundsOnHostileDocuments) {
  constexpr std::size_t mega = 1u << 20;
  const std::string mark = "\xCC\x81";
  const auto random_bytes = [](std::size_t count) {
    std::mt19937_64 random(8);
    std::string out(count, ' ');
    for (char& c : out) c = static_cast<char>(random());
    return out;
  };
  const std::pair<const char*, std::string> documents[] = {
      {"one letter", std::string(mega, 'a')},
      {"one known word", repeat("ab ", mega / 3)},
      {"combining marks", repeat(mark, mega / 2)},
      {"a letter, combining marks, a letter", "a" + repeat(mark, mega / 2) + "b"},
      {"a letter and 3 marks for ever", repeat("a" + mark + mark + mark + " ", mega / 8)},
      {"line ends", std::string(mega, '\n')},
      {"words in a sea of line ends", repeat("a" + std::string(70'000, '\n'), 15)},
      {"words in a sea of marks", repeat("a " + repeat(mark, 35'000), 15)},
      {"ideographs", repeat("一", mega / 3)},
      {"NUL", std::string(mega, '\0')},
      {"letters and NUL", repeat("a\0"s, mega / 2)},
      {"punctuation", std::string(mega, '.')},
      {"closing quotes", std::string(mega, '"')},
      {"words of 99 letters", repeat(std::string(99, 'a') + " ", mega / 100)},
      {"emoji joined", repeat("😀\xE2\x80\x8D", mega / 7)},
      {"random bytes", random_bytes(mega)},
  };
  for (const auto& [what, document] : documents) {
    for (const ChunkRules rules : {ChunkRules{.tokens = 220}, ChunkRules{.tokens = 1},
                                   ChunkRules{.tokens = 254, .overlap = 127}}) {
      const std::clock_t start = std::clock();  // of this process alone, as machines are shared
      const auto chunks = chunk(words(), document, rules);
      EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 10.0) << what;
      std::size_t bytes = 0;
      for (const Chunk& piece : chunks) {
        ASSERT_LE(piece.text.size(), limits::seal_bytes_max) << what;
        ASSERT_LE(piece.tokens.size(), rules.tokens) << what;
        ASSERT_FALSE(piece.tokens.empty()) << what;
        bytes += piece.text.size();
      }
      EXPECT_LE(bytes, 4 * document.size()) << what;
    }
  }
}

TEST(Chunker, CutsAWordLargerThanABlobIntoPieces) {
  const std::string giant(200'000, 'a');
  const auto chunks = chunk(words(), "b " + giant + " c", {.tokens = 220});
  std::string joined;
  for (const Chunk& piece : chunks) joined += piece.text;
  std::erase(joined, ' ');
  EXPECT_EQ(joined, "b" + giant + "c") << "no character is lost";
  EXPECT_EQ(chunks.size(), 5u);
}

// Large documents are read in slices, between which others have the thread.
TEST(Chunker, ReadsALargeDocumentAsAWholeAndMakesWay) {
  const std::string parts[] = {"a ", "ab", " ", "\n", "\n\n", ". ", "一", "é", "e\xCC\x81", "。",
                               " \xCC\x81", "\r\n", "cab,", "\t", repeat("a", 300)};
  std::mt19937 random(7);
  std::string document;
  while (document.size() < 2u << 20) document += parts[random() % std::size(parts)];
  std::vector<std::int32_t> read;
  int ways = 0;
  for (const auto& piece : chunk(words(), document, {.tokens = 220, .overlap = 0}, [&] { ++ways; }))
    read.insert(read.end(), piece.tokens.begin(), piece.tokens.end());
  EXPECT_EQ(read, ids_of(document));
  EXPECT_GE(ways, 8);
}

TEST(Chunker, ReadsATextWithoutSpacesAsAWholeAndMakesWay) {
  const std::string parts[] = {"a", "ab", "一", "é", "e\xCC\x81", "。", "cab,", ".", "!\xCC\x81"};
  std::mt19937 random(7);
  std::string document;
  while (document.size() < 1u << 20) document += parts[random() % std::size(parts)];
  std::vector<std::int32_t> read;
  int ways = 0;
  for (const auto& piece : chunk(words(), document, {.tokens = 220, .overlap = 0}, [&] { ++ways; }))
    read.insert(read.end(), piece.tokens.begin(), piece.tokens.end());
  EXPECT_EQ(read, ids_of(document));
  EXPECT_GE(ways, 3);
}

TEST(Chunker, ReadsNoFurtherThanItTakesToKnowThatChunksAreTooMany) {
  const auto document = repeat("a b. ", 200'000);
  const auto all = chunk(words(), document, {.tokens = 6}).size();
  for (const std::size_t most : {all, all - 1, std::size_t{5}, std::size_t{0}}) {
    int ways = 0;
    const auto chunks = chunk(words(), document, {.tokens = 6}, [&] { ++ways; }, most);
    EXPECT_EQ(chunks.size(), std::min(all, most + 1));
    if (most <= 5) EXPECT_LE(ways, 4) << "of the 1 MB";
  }
}

}  // namespace
}  // namespace memseal::text
