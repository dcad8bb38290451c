// The small private parts: UTF-8, base64, JSON.
#include "pure/codec/base64.hpp"
#include "pure/codec/json.hpp"
#include "pure/wire/internal/fields.hpp"
#include "pure/wire/internal/utf8.hpp"

#include <gtest/gtest.h>

namespace memseal::wire {
namespace {

TEST(Utf8, AcceptsTheEdgesOfEveryLength) {
  for (const std::string_view text :
       {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(well_formed_utf8(text));
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndCutSequences) {
  for (const std::string_view text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ", "\xe0\x9f\xbf", "\xe0\xa0",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff", "\xf0\x90\x80", "\xe2\x82\x28", "a\xe2\x82"})
    EXPECT_FALSE(well_formed_utf8(text));
}

TEST(Base64, DecodesTheVectorsOfRfc4648) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9v"), "foo");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("++//"), "\xfb\xef\xff");
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const std::string_view text :
       {"Z", "Zg", "Zg=", "Zm8", "Zh==", "Zm9=", "=", "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9",
        "Zm-_", "Zg=a", "\xff\xff\xff\xff"})
    EXPECT_FALSE(decode_base64(text)) << text;
}

TEST(Json, RefusesAKeyTwiceAtAnyDepth) {
  for (const std::string_view text :
       {R"({"a":1,"a":2})", R"({"x":{"a":1,"b":2,"a":3}})", R"([{"a":1},{"b":{"c":0,"c":0}}])",
        R"({"a":1,"\u0061":2})", R"({"":1,"":2})"}) {
    const auto value = parse_json(text, Errc::bad_json);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().message, "an object has the same key twice");
  }
  EXPECT_TRUE(parse_json(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]})", Errc::bad_json));
}

TEST(Json, NestsAtMostThirtyTwoLevels) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(32), Errc::bad_json));
  const auto refused = parse_json(nested(33), Errc::bad_json);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "JSON nested deeper than 32 levels");
  EXPECT_FALSE(parse_json(nested(100'000), Errc::bad_json));
}

TEST(Json, AcceptsSpaceAroundAndNothingElse) {
  EXPECT_TRUE(parse_json(" \r\n\t{ } \n", Errc::bad_json));
  for (const std::string_view text : {"",
                                      " ",
                                      "{}{}",
                                      "{},",
                                      "{a:1}",
                                      "{'a':1}",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "nul",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "01",
                                      "1.",
                                      "\"\t\"",
                                      "\"\\x\"",
                                      "\"\\ud800\"",
                                      "\"\xed\xa0\x80\"",
                                      "\xef\xbb\xbf{}",
                                      "// c\n{}",
                                      "1e999",
                                      "[1"})
    EXPECT_FALSE(parse_json(text, Errc::bad_json)) << text;
}

TEST(Json, WritesNumbersInTheirShortestForm) {
  for (const std::string_view text :
       {"0.1", "1", "-1", "18446744073709551615", "-9223372036854775808", "1e+300", "0.5",
        "123456789.125", R"({"a":[1,{"b":null}],"c":"\u0001\"\\"})", "true", "[]", "{}", "\"\""})
    EXPECT_EQ(compact_json(*parse_json(text, Errc::bad_json)), text);
}

TEST(Closest, FindsANameAtMostTwoEditsAway) {
  const std::vector<std::string_view> names{"query", "top_k", "tags"};
  EXPECT_EQ(closest("qeury", names), "query");
  EXPECT_EQ(closest("topk", names), "top_k");
  EXPECT_EQ(closest("tag", names), "tags");
  EXPECT_EQ(closest("answer", names), std::nullopt);
}

}  // namespace
}  // namespace memseal::wire
