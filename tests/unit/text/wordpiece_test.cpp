#include "pure/text/wordpiece.hpp"

#include "pure/text/internal/vocabulary.hpp"
#include "vocabulary_file.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::text {
namespace {

using namespace std::string_literals;

constexpr const char* small_vocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"     // 0-4
    "a\nb\nc\n##a\n##b\n##c\n"                 // 5-10
    "abc\n##bca\nun\n##aff\n##able\n"          // 11-15
    "[\n]\nsep\n.\n,\n一\nσ\n##α\n##σ\ni\n"    // 16-25
    ";\n=\nthirteenbytes\n##1\n2\n##ᅡ\nᄀ\n";   // 26-32

WordPiece small() { return WordPiece::from_vocabulary(small_vocabulary).value(); }

std::vector<std::int32_t> ids(const WordPiece& words, std::string_view text) {
  std::vector<Token> tokens;
  words.encode(text, tokens);
  std::vector<std::int32_t> out;
  for (const Token& token : tokens) out.push_back(token.id);
  return out;
}

using Ids = std::vector<std::int32_t>;

struct Rule {
  const char* what;
  std::string text;
  Ids expected;
};

TEST(WordPiece, FollowsEachRule) {
  const WordPiece words = small();
  const Rule rules[] = {
      {"nothing", "", {}},
      {"only white space", " \t\r\n\xE2\x80\xA8\xE3\x80\x80", {}},
      {"longest match first", "abc", {11}},
      {"continuation", "abca", {11, 8}},
      {"the longest start wins even if a shorter one would go further", "abcca", {11, 10, 8}},
      {"a start is not a continuation", "aun", {1}},
      {"one failure makes the whole word unknown", "abcx", {1}},
      {"unknown word between known ones", "a zzz b", {5, 1, 6}},
      {"lower case", "ABC aBc", {11, 11}},
      {"digits", "2 a1 1", {30, 5, 29, 1}},
      {"punctuation stands alone", "a.b,c", {5, 19, 6, 20, 7}},
      {"unknown punctuation", "a!b", {5, 1, 6}},
      {"special tokens in a text stay text", "[SEP] [sep]", {16, 18, 17, 16, 18, 17}},
      {"... even those without letters of their own", "[CLS]", {16, 1, 17}},
      {"##a written in a text", "##a", {1, 1, 5}},
      {"accents go", "\xC3\xA1\x62\xC3\xA7", {11}},
      {"combining accents go", "a\xCC\x81\x62\xCC\x82\x63\xCC\xA7", {11}},
      {"an accent alone is nothing", "\xCC\x81 \xCC\x81", {}},
      {"controls join", "a\x01\x62\x7F\x63", {11}},
      {"NUL joins", "a\0bc"s, {11}},
      {"vertical tab and form feed join", "a\vb\fc", {11}},
      {"next line (U+0085) joins", "a\xC2\x85\x62\x63", {11}},
      {"soft hyphen, ZWSP, BOM join", "a\xC2\xAD\xE2\x80\x8B\x62\xEF\xBB\xBF\x63", {11}},
      {"no-break space separates", "a\xC2\xA0\x62", {5, 6}},
      {"line separator separates", "a\xE2\x80\xA8\x62", {5, 6}},
      {"replacement character goes", "a\xEF\xBF\xBD\x62\x63", {11}},
      {"ill-formed UTF-8 goes", "a\xFF\x62\xE2\x82\x63\xF0\x9F", {11}},
      {"surrogates are ill-formed", "a\xED\xA0\x80\x62\x63", {11}},
      {"ideographs stand alone", "a一一b", {5, 21, 21, 6}},
      {"a hexagram is a letter, though its first byte is an ideograph's", "a\xE4\xB7\x80", {1}},
      {"the first byte of an ideograph alone is ill-formed, and goes", "ab\xE6\x63", {11}},
      {"... two of them", "ab\xE6\xB8\xE9\x63", {11}},
      {"ideographs after a word", "abc一a", {11, 21, 5}},
      {"an unknown ideograph", "丁", {1}},
      {"no final sigma", "ΣΑΣ", {22, 23, 24}},
      {"dotted capital I", "İ", {25}},
      {"a letter that becomes punctuation", "a\xCD\xBE\x62", {5, 26, 6}},
      {"an accent on punctuation", "a\xE2\x89\xA0\x62", {5, 27, 6}},
      {"Hangul falls into letters", "\xEA\xB0\x80", {32, 31}},
      {"thirteen bytes", "ThirteenBytes thirteenbyte", {28, 1}},
      {"punctuation of 2016 only (U+2E43 is newer)", "a\xE2\xB9\x83\x62", {1}},
      {"white space of Unicode only (U+001F is a control)", "a\x1F\x62\x63", {11}},
  };
  for (const Rule& rule : rules) EXPECT_EQ(ids(words, rule.text), rule.expected) << rule.what;
}

TEST(WordPiece, CallsWordsOfMoreThanAHundredCharactersUnknown) {
  const WordPiece words = small();
  const std::string acute = "\xC3\xA1";
  EXPECT_EQ(ids(words, std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(ids(words, std::string(101, 'a')), Ids{1});
  EXPECT_EQ(ids(words, std::string(101, 'a') + " b"), (Ids{1, 6}));
  std::string accented;
  for (int at = 0; at < 100; ++at) accented += acute;
  EXPECT_EQ(ids(words, accented).size(), 100u);
  EXPECT_EQ(ids(words, accented + "\xCC\x81").size(), 100u) << "removed characters do not count";
  EXPECT_EQ(ids(words, accented + "a"), Ids{1});
  std::string syllables;
  for (int at = 0; at < 50; ++at) syllables += "\xEA\xB0\x80";
  EXPECT_EQ(ids(words, syllables), Ids{1}) << "as 가 is two letters, and ##ᄀ has no token";
}

TEST(WordPiece, SaysWhichBytesEachTokenCameFrom) {
  const WordPiece words = small();
  std::vector<Token> tokens;
  words.encode(" abca\xCC\x81. \xC3\x81\x62\xCC\x81\x63 zz \xEA\xB0\x80\xFF", tokens);
  const std::vector<Token> expected = {{11, 1, 4}, {8, 4, 5},   {19, 7, 8}, {11, 9, 15},
                                       {1, 16, 18}, {32, 19, 22}, {31, 19, 22}};
  EXPECT_EQ(tokens, expected);
  words.encode("a", tokens);
  EXPECT_EQ(tokens.size(), expected.size() + 1) << "encode appends";
}

TEST(WordPiece, PutsSpecialTokensRoundTextsAndCutsOnTheRight) {
  const WordPiece words = small();
  EXPECT_EQ(words.encode_single("", 2), (Ids{2, 3}));
  EXPECT_EQ(words.encode_single("a b c", 2), (Ids{2, 3}));
  EXPECT_EQ(words.encode_single("a b c", 4), (Ids{2, 5, 6, 3}));
  EXPECT_EQ(words.encode_single("abcaa", 4), (Ids{2, 11, 8, 3})) << "a word may be cut";
  EXPECT_EQ(words.encode_single("a b c", 512), (Ids{2, 5, 6, 7, 3}));
  const TokenPair pair = words.encode_pair("a b", "c", 512);
  EXPECT_EQ(pair.ids, (Ids{2, 5, 6, 3, 7, 3}));
  EXPECT_EQ(pair.segment_b, 4u);
  EXPECT_EQ(words.encode_pair("", "", 3).ids, (Ids{2, 3, 3}));
  EXPECT_EQ(words.encode_pair("", "", 3).segment_b, 2u);
  EXPECT_EQ(words.encode_pair("a b c", "a b c", 3).ids, (Ids{2, 3, 3}));
}

TEST(WordPiece, SharesTheRoomOfAPairByLongestFirst) {
  struct Case {
    std::size_t a, b, room, kept_a, kept_b;
  };
  const Case cases[] = {
      {3, 4, 9, 3, 4},   {4, 5, 9, 4, 5},   {5, 20, 9, 4, 5},  {20, 5, 9, 5, 4},
      {20, 20, 9, 4, 5}, {6, 20, 10, 5, 5}, {2, 20, 9, 2, 7},  {20, 2, 9, 7, 2},
      {0, 20, 9, 0, 9},  {20, 0, 9, 9, 0},  {11, 10, 9, 5, 4}, {10, 11, 9, 4, 5},
      {1, 1, 0, 0, 0},   {1, 1, 1, 0, 1},   {2, 1, 1, 1, 0},   {5, 5, 9, 4, 5},
  };
  for (const Case& c : cases) {
    const PairSizes kept = longest_first(c.a, c.b, c.room);
    EXPECT_EQ(kept.a, c.kept_a) << c.a << " and " << c.b << " into " << c.room;
    EXPECT_EQ(kept.b, c.kept_b) << c.a << " and " << c.b << " into " << c.room;
  }
}

TEST(WordPiece, KnowsWhichOfTwoLongTextsIsLonger) {
  const WordPiece words = small();
  const auto text = [](int count) {
    std::string out;
    for (int at = 0; at < count; ++at) out += "a ";
    return out;
  };
  for (int a = 0; a < 30; ++a) {
    for (int b = 0; b < 30; ++b) {
      for (std::size_t tokens_max = 3; tokens_max < 20; ++tokens_max) {
        const PairSizes kept = longest_first(static_cast<std::size_t>(a),
                                             static_cast<std::size_t>(b), tokens_max - 3);
        const TokenPair pair = words.encode_pair(text(a), text(b), tokens_max);
        ASSERT_EQ(pair.segment_b, kept.a + 2);
        ASSERT_EQ(pair.ids.size(), kept.a + kept.b + 3);
      }
    }
  }
}

TEST(WordPiece, KnowsItsSpecialTokens) {
  const WordPiece words = small();
  EXPECT_EQ(ids(words, std::string(101, 'z')), Ids{1}) << "[UNK]";
  EXPECT_EQ(words.cls_id(), 2);
  EXPECT_EQ(words.sep_id(), 3);
  EXPECT_EQ(words.vocabulary_size(), 33u);
  EXPECT_TRUE(words.continues_word(8));
  EXPECT_FALSE(words.continues_word(5));
  EXPECT_FALSE(words.continues_word(-1));
  EXPECT_FALSE(words.continues_word(33));
}

TEST(WordPiece, RefusesAVocabularyThatCannotBeBerts) {
  const auto error = [](std::string_view content) {
    return WordPiece::from_vocabulary(content).error();
  };
  EXPECT_EQ(error("").code, Errc::model_invalid);
  EXPECT_EQ(error("[PAD]\n[UNK]\n[CLS]\na\n").code, Errc::model_invalid);
  EXPECT_NE(error("[PAD]\n[UNK]\n[CLS]\na\n").message.find("[SEP]"), std::string::npos);
  EXPECT_EQ(error("[PAD]\n[UNK]\n[CLS]\n[SEP]\n\xFF\n").code, Errc::model_invalid);
  EXPECT_EQ(error(small_vocabulary + std::string(5u << 20, 'x')).code, Errc::model_invalid);
}

TEST(WordPiece, ReadsOddVocabularyFiles) {
  const auto words = WordPiece::from_vocabulary(
      "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n\r\na \t\n##\n#\nb\xE3\x80\x80\na\nA\n" +
      std::string(70'000, 'z'));
  ASSERT_TRUE(words.has_value());
  EXPECT_EQ(words->vocabulary_size(), 12u) << "empty lines count";
  EXPECT_EQ(ids(*words, "a b A # ##"), (Ids{9, 8, 9, 7, 7, 7})) << "of twins the later counts";
  EXPECT_EQ(ids(*words, std::string(100, 'z')), Ids{1});
}

TEST(WordPiece, GivesBertsKnownIds) {
  const WordPiece* words = testing::bert();
  if (!words) GTEST_SKIP() << testing::no_vocabulary;
  EXPECT_EQ(words->vocabulary_size(), 30'522u);
  EXPECT_EQ(ids(*words, "Hello, World!"), (Ids{7592, 1010, 2088, 999}));
  EXPECT_EQ(words->encode_single("unaffordable", 512), (Ids{101, 14477, 4246, 8551, 3085, 102}));
  EXPECT_EQ(ids(*words, std::string(101, 'z')), Ids{100}) << "[UNK]";
}

}  // namespace
}  // namespace memseal::text
