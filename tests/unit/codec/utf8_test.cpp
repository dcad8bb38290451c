#include "pure/codec/utf8.hpp"

#include "pure/codec/utf8_decode.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::codec {
namespace {

using namespace std::string_literals;

TEST(Utf8, AcceptsTheEdgesOfEveryLength) {
  for (const auto& text : {""s, "a"s, "\0"s, "\x7F"s, "\xC2\x80"s, "\xDF\xBF"s, "\xE0\xA0\x80"s,
                           "\xED\x9F\xBF"s, "\xEE\x80\x80"s, "\xEF\xBF\xBD"s, "\xEF\xBF\xBF"s,
                           "\xF0\x90\x80\x80"s, "\xF4\x8F\xBF\xBF"s, "twenty ASCII bytes.."s}) {
    EXPECT_TRUE(is_utf8(text)) << ::testing::PrintToString(text);
  }
}

TEST(Utf8, RefusesWhatTable37Forbids) {
  for (const auto& bad : {"\x80"s,
                          "\xBF"s,
                          "\xC0\x80"s,
                          "\xC1\xBF"s,
                          "\xC2"s,
                          "\xC2\x41"s,
                          "\xE0\x9F\xBF"s,
                          "\xE2\x82"s,
                          "\xE2\x82\x41"s,
                          "\xED\xA0\x80"s,
                          "\xED\xBF\xBF"s,
                          "\xF0\x8F\xBF\xBF"s,
                          "\xF0\x9F\x98"s,
                          "\xF4\x90\x80\x80"s,
                          "\xF5\x80\x80\x80"s,
                          "\xFE"s,
                          "\xFF"s,
                          "\xC2 "s,
                          "\xE0\xA0"s,
                          "\xF0\x90\x80"s,
                          "\xE2\x82\x28"s,
                          "a\xE2\x82"s}) {
    EXPECT_FALSE(is_utf8(bad)) << ::testing::PrintToString(bad);
    EXPECT_FALSE(is_utf8("eight or more bytes before " + bad));
    EXPECT_FALSE(is_utf8(bad + " and after it"));
  }
}

TEST(Utf8, CountsCodePointsAtEveryAlignment) {
  const std::string unit = "a\xC3\xA9\xE4\xB8\x80\xF0\x9F\x98\x80";  // four code points
  for (std::size_t before = 0; before < 16; ++before) {
    for (std::size_t units = 0; units < 5; ++units) {
      std::string text(before, 'x');
      for (std::size_t at = 0; at < units; ++at) text += unit;
      EXPECT_EQ(count_code_points(text), before + 4 * units);
    }
  }
}

TEST(Utf8, ReadsIllFormedBytesAsOneReplacementForEachMaximalSubpart) {
  // The example of the Unicode standard, table 3-11.
  const std::string text = "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41";
  std::string sizes;
  for (std::size_t at = 0; at < text.size();) {
    const auto [point, size] = decode_code_point(text, at);
    EXPECT_EQ(point, at + 1 == text.size() ? 'A' : replacement_character);
    sizes += std::to_string(size);
    at += size;
  }
  EXPECT_EQ(sizes, "21321");
}

TEST(Utf8, SeesNothingInATextWithoutAVisibleCharacter) {
  for (const auto& text : {""s, " \t\r\n\f\v"s, "\u00A0"s, "\u3000"s, "\u200B\u200D"s, "\uFEFF"s,
                           "\u2028\u2029\u0085"s, "\u1680 \u205F"s, "\u00AD"s, "\U000E0020"s})
    EXPECT_TRUE(is_blank(text)) << ::testing::PrintToString(text);
  for (const auto& text : {"a"s, "."s, "\u3000\u3002"s, "\u200B\u00E9"s, "\U0001F600"s, "\u2800"s,
                           "\u1161"s, "\x80"s})
    EXPECT_FALSE(is_blank(text)) << ::testing::PrintToString(text);
}

TEST(Utf8, KnowsControlCharacters) {
  for (const auto& text : {"\0"s, "a\n"s, "\x1f"s, "tab\tbed"s, "\x7f"s})
    EXPECT_TRUE(has_control(text)) << ::testing::PrintToString(text);
  for (const auto& text : {""s, " "s, "~"s, "\xC2\x80"s, "plain"s})
    EXPECT_FALSE(has_control(text)) << ::testing::PrintToString(text);
}

}  // namespace
}  // namespace memseal::codec
