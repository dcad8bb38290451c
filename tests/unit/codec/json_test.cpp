#include "pure/codec/json.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace memseal::codec {
namespace {

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

TEST(Json, WritesNoNumberThatAReaderWouldRefuse) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto text = compact_json(
      json::value{infinity, -infinity, std::numeric_limits<double>::quiet_NaN(), 0.5});
  EXPECT_EQ(text, "[1e99999,-1e99999,null,0.5]");
  json::value back;
  ASSERT_FALSE(read_json(text, {.infinities = true}, back));
  EXPECT_EQ(back.at(0).as_double(), infinity);
  EXPECT_EQ(back.at(1).as_double(), -infinity);
  std::string number;
  append_number(number, -std::numeric_limits<float>::infinity());
  append_number(number += ' ', 0.1f);
  EXPECT_EQ(number, "-1e99999 0.1");
}

// What each rule refuses; the same text passes without that rule.
TEST(Json, HoldsATextToEachRule) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  using Kind = JsonFault::Kind;
  const struct {
    std::string text;
    JsonRules rules;
    Kind kind;
  } cases[] = {
      {nested(5), {.depth_max = 4}, Kind::too_deep},
      {R"({"a":{"b":[{}]}})", {.depth_max = 3}, Kind::too_deep},
      {R"({"a":1,"b":2,"c":3})", {.members_max = 2}, Kind::too_large},
      {R"([{"x":{"a":1,"b":2,"c":3}}])", {.members_max = 2}, Kind::too_large},
      {"[1,2,3]", {.elements_max = 2}, Kind::too_large},
      {R"({"a":[[],[1,2,3]]})", {.elements_max = 2}, Kind::too_large},
      {R"({"abc":1})", {.key_bytes_max = 2}, Kind::too_large},
      {R"([{"a\u00e9":1}])", {.key_bytes_max = 2}, Kind::too_large},
      {R"(["abc"])", {.text_bytes_max = 2}, Kind::too_large},
      {R"(["a\u00e9"])", {.text_bytes_max = 2}, Kind::too_large},
  };
  for (const auto& [text, rules, kind] : cases) {
    json::value value = "untouched";
    const auto fault = read_json(text, rules, value);
    ASSERT_TRUE(fault) << text;
    EXPECT_EQ(fault->kind, kind) << text;
    EXPECT_EQ(value, json::value("untouched"));
    EXPECT_FALSE(read_json(text, {}, value)) << text;
  }
}

TEST(Json, LimitsAreInclusive) {
  json::value value;
  const JsonRules rules{
      .depth_max = 2, .members_max = 2, .elements_max = 2, .key_bytes_max = 2, .text_bytes_max = 2};
  EXPECT_FALSE(read_json(R"({"ab":"cd","ef":[1,2]})", rules, value));
  EXPECT_FALSE(read_json(R"([{"a":"","b":""},{"a":"","b":""}])", rules, value));
}

TEST(Json, MayReplaceALoneSurrogate) {
  json::value value;
  for (const std::string_view text : {R"("\ud800")", R"(["\udc00x"])", R"({"\ud800\ud800":1})"}) {
    EXPECT_TRUE(read_json(text, {}, value)) << text;
    EXPECT_FALSE(read_json(text, {.lone_surrogates = true}, value)) << text;
  }
  ASSERT_FALSE(read_json(R"("a\ud800b\ud83d\ude00")", {.lone_surrogates = true}, value));
  EXPECT_EQ(value.as_string(), "a\xef\xbf\xbd" "b\xf0\x9f\x98\x80");
  EXPECT_TRUE(read_json("\"\xff\"", {.lone_surrogates = true}, value)) << "UTF-8 stays strict";
}

TEST(Json, MayLetKeysRepeatBelowTheTopOnly) {
  json::value value;
  const JsonRules rules{.repeats_below_top = true};
  EXPECT_FALSE(read_json(R"({"x":{"a":1,"a":2},"y":[{"a":1,"a":2}]})", rules, value));
  EXPECT_EQ(compact_json(value.at("x")), R"({"a":2})");
  for (const std::string_view text :
       {R"({"a":1,"a":2})", R"({"a":{"b":1,"b":2},"c":[],"a":1})", R"({"":[],"\u0061":1,"a":[]})"})
    EXPECT_TRUE(read_json(text, rules, value)) << text;
}

TEST(Json, NamesTheRepeatedKeyToItsCallerAlone) {
  json::value value;
  const auto fault = read_json(R"({"x":{"secret":1,"b":2,"secret":3}})", {}, value);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, JsonFault::Kind::repeated_key);
  EXPECT_EQ(fault->key, "secret");
  EXPECT_EQ(parse_json(R"({"secret":1,"secret":3})", Errc::bad_json).error().message.find("secret"),
            std::string::npos);
}

TEST(Json, MayTakeNumbersBeyondADouble) {
  json::value value;
  EXPECT_FALSE(read_json("[1e999,-1e999]", {.infinities = true}, value));
  EXPECT_EQ(value.at(0).as_double(), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(read_json("[1e999]", {}, value));
}

}  // namespace
}  // namespace memseal::codec
