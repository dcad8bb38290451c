#include "app/cli/terminal_text.hpp"

#include "app/cli/terminal.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gtest/gtest.h>

namespace memseal::app {
namespace {

// All that may command a terminal, in UTF-8.
std::vector<std::string> commands() {
  std::vector<std::string> all;
  for (char c = 1; c < 0x20; ++c) all.emplace_back(1, c);
  all.emplace_back(1, '\0');
  all.emplace_back(1, '\x7f');
  for (int c = 0x80; c <= 0x9f; ++c) all.push_back({'\xc2', static_cast<char>(c)});
  for (const char* bidi : {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067",
                           "\u2068", "\u2069", "\u200e", "\u200f", "\u061c", "\u2028", "\u2029"})
    all.emplace_back(bidi);
  return all;
}

TEST(CountOf, IsSaidAsPeopleDo) {
  EXPECT_EQ(count_of(0, "broker"), "0 brokers");
  EXPECT_EQ(count_of(1, "broker"), "1 broker");
  EXPECT_EQ(count_of(2, "broker"), "2 brokers");
}

TEST(Terminal, GetsNoColoursThatItsUserRefuses) {
  EXPECT_TRUE(allows_colours({}));
  EXPECT_TRUE(allows_colours({{"TERM", "xterm"}, {"NO_COLOR", ""}}));
  EXPECT_FALSE(allows_colours({{"NO_COLOR", "0"}}));
  EXPECT_FALSE(allows_colours({{"COLORTERM", "truecolor"}, {"TERM", "dumb"}}));
}

TEST(OneLine, HoldsNothingThatCommandsATerminal) {
  for (const auto& command : commands()) {
    const auto line = one_line("a" + command + "b", 100);
    EXPECT_TRUE(line == "a b" || line == "ab") << line;
  }
  EXPECT_EQ(one_line("\x1b[31mred\x1b[0m \u009b31mred", 100), "[31mred [0m 31mred");
  EXPECT_EQ(one_line("invoice\u202egpj.exe", 100), "invoicegpj.exe");
}

TEST(OneLine, KeepsOtherTextAndJoinsWhiteSpace) {
  EXPECT_EQ(one_line("  Dr.\n\t Nov\u00e1k \u20ac \U0001F600  ", 100),
            "Dr. Nov\u00e1k \u20ac \U0001F600");
  EXPECT_EQ(one_line("", 10), "");
  EXPECT_EQ(one_line("\n\n", 10), "");
  EXPECT_EQ(one_line("\ufffd", 10), "\ufffd");
}

TEST(OneLine, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(one_line("a\x9b"
                     "31mb",
                     100),
            "a\ufffd31mb");
  EXPECT_EQ(one_line("a\xc2", 100), "a\ufffd");
  EXPECT_EQ(one_line("\xed\xa0\x80", 100), "\ufffd\ufffd\ufffd");
}

TEST(OneLine, IsCutBetweenCharacters) {
  EXPECT_EQ(one_line("abcd", 4), "abcd");
  EXPECT_EQ(one_line("abcde", 4), "abcd…");
  EXPECT_EQ(one_line("ab\u20ac", 4), "ab…");
  EXPECT_EQ(one_line("abc d", 4), "abc…");
}

TEST(EscapedControls, KeepTheValueOfJson) {
  std::string text = "plain \u00e1 \U0001F600";
  for (const auto& command : commands()) text += command;
  const auto json = boost::json::serialize(boost::json::string(text));
  const auto safe = escape_controls(json);
  EXPECT_EQ(boost::json::parse(safe).as_string(), text);
  for (const auto& command : commands()) EXPECT_EQ(safe.find(command), std::string::npos);
  EXPECT_EQ(escape_controls("{\"a\":\n\t[1]\r}"), "{\"a\":\n\t[1] }");
}

TEST(EscapedControls, MakeOtherTextSafeAsWell) {
  EXPECT_EQ(escape_controls("<html>\x1b[2J\x9b"), "<html>\\u001b[2J\ufffd");
}

}  // namespace
}  // namespace memseal::app
