#include "adapters/postgres/internal/binary.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace memseal::postgres {
namespace {

double value_of(std::uint16_t half) {
  const int exponent = (half >> 10) & 31, fraction = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(HalfBits, EveryHalfSurvivesTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const double value = value_of(half);
    if (std::isnan(value)) continue;
    EXPECT_EQ(half_bits(static_cast<float>(value)), half) << bits;
  }
}

TEST(HalfBits, RoundsToTheNearestAndTiesToEven) {
  for (std::uint16_t half = 0; half < 0x7bff; ++half) {
    const double low = value_of(half), high = value_of(static_cast<std::uint16_t>(half + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    const std::uint16_t even = half & 1 ? static_cast<std::uint16_t>(half + 1) : half;
    ASSERT_EQ(half_bits(middle), even) << half;
    ASSERT_EQ(half_bits(std::nextafter(middle, 0.0f)), half) << half;
    ASSERT_EQ(half_bits(std::nextafter(middle, 1e9f)), half + 1) << half;
  }
}

TEST(HalfBits, OverflowsToInfinityAndKeepsNan) {
  EXPECT_EQ(half_bits(65519.0f), 0x7bff);
  EXPECT_EQ(half_bits(65520.0f), 0x7c00);
  EXPECT_EQ(half_bits(-1e30f), 0xfc00);
  EXPECT_EQ(half_bits(std::numeric_limits<float>::quiet_NaN()) & 0x7fff, 0x7e00);
  EXPECT_EQ(half_bits(-0.0f), 0x8000);
}

std::string hex(std::span<const std::byte> bytes) {
  return to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

TEST(ArrayBuilder, WritesWhatArrayRecvReads) {
  ArrayBuilder numbers(oid::int4);
  numbers.add(std::int32_t{1});
  numbers.add_null();
  numbers.add(std::int32_t{-2});
  EXPECT_EQ(hex(numbers.bytes()),
            "00000001" "00000001" "00000017" "00000003" "00000001"
            "00000004" "00000001" "ffffffff" "00000004" "fffffffe");
}

TEST(ArrayBuilder, AnEmptyArrayHasNoDimension) {
  ArrayBuilder texts(oid::text);
  EXPECT_EQ(hex(texts.bytes()), "000000000000000000000019");
  EXPECT_EQ(hex(texts.bytes()), "000000000000000000000019");
}

TEST(ArrayBuilder, WritesWideNumbersAndVectorsBigEndian) {
  ArrayBuilder wide(oid::int8);
  wide.add(std::int64_t{-2});
  EXPECT_EQ(hex(wide.bytes()).substr(40), "00000008fffffffffffffffe");
  ArrayBuilder vectors(4711);
  const float values[]{1.0f, -0.5f};
  vectors.add_halfvec(values);
  EXPECT_EQ(hex(vectors.bytes()).substr(40), "00000008" "0002" "0000" "3c00" "b800");
}

TEST(Halfvec, IsReadAsTheServerSendsIt) {
  EXPECT_EQ(parse_halfvec("\\x000200003c00b800"), (std::vector<float>{1.0f, -0.5f}));
  for (const auto* broken : {"", "\\x", "\\x0002", "[1,2]", "\\x000200003c0"})
    EXPECT_TRUE(parse_halfvec(broken).empty()) << broken;
}

TEST(Halfvec, RoundsEveryLaneAsOneNumberAlone) {
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits < 0xffff0000u; bits += 0x2345u) {
    const auto value = std::bit_cast<float>(bits);
    if (!std::isnan(value)) values.push_back(value);
    if (values.size() == 1'003) {  // no multiple of any vector width
      const auto encoded = halfvec(values);
      ASSERT_EQ(encoded.size(), 4 + 2 * values.size());
      for (std::size_t at = 0; at < values.size(); ++at) {
        const auto high = static_cast<std::uint8_t>(encoded[4 + 2 * at]);
        const auto low = static_cast<std::uint8_t>(encoded[5 + 2 * at]);
        ASSERT_EQ(high << 8 | low, half_bits(values[at])) << values[at];
      }
      values.clear();
    }
  }
}

TEST(TextArray, SurvivesEveryAwkwardCharacter) {
  const std::vector<std::string> values{"plain", "", "a,b", "{x}", "quote\"d", "back\\slash",
                                        "NULL", " space ", "ümlaut"};
  EXPECT_EQ(parse_text_array(text_array(values)), values);
  EXPECT_EQ(parse_text_array("{}"), std::vector<std::string>());
  EXPECT_EQ(parse_text_array("{one,two}"), (std::vector<std::string>{"one", "two"}));
}

TEST(TextArray, EndsOnWhatIsNoArray) {
  for (const char* text : {"", "{", "}", "{\"", "{\"a", "{\"a\\", "{,}", "x{}"}) {
    EXPECT_LE(parse_text_array(text).size(), 2u) << text;
  }
}

TEST(Bytea, ReadsHexAndRefusesTheRest) {
  EXPECT_EQ(parse_bytea("\\x00ffAb"), (Bytes{0, 255, 0xab}));
  EXPECT_EQ(parse_bytea("\\x"), Bytes());
  for (const char* text : {"", "\\", "\\x0", "\\xzz", "00ff", "\\x0g"}) {
    EXPECT_TRUE(parse_bytea(text).empty()) << text;
  }
}

}  // namespace
}  // namespace memseal::postgres
