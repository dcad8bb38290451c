#include "adapters/model/checkpoint/safetensors.hpp"
#include "support/model_files.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace memseal::model {
namespace {

Result<Safetensors> parse(const std::string& file) {
  return Safetensors::parse(std::as_bytes(std::span(file)), "m.safetensors");
}

std::string file_of(const std::string& header, std::size_t data_bytes) {
  return testing::with_length(header) + std::string(data_bytes, '\1');
}

TEST(Safetensors, ReadsWhatTheFormatAllows) {
  const std::string file = file_of(
      R"({"__metadata__":{"a":"b"},"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[16,16]},)"
      R"("c":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}}   )",
      24);
  const auto parsed = parse(file);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->size(), 4u);
  EXPECT_EQ(parsed->find("b")->shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(parsed->find("b")->type, DType::f16);
  EXPECT_EQ(parsed->find("b")->bytes.size(), 12u);
  EXPECT_EQ(parsed->find("a")->count(), 1u);
  EXPECT_EQ(parsed->find("none")->count(), 0u);
  EXPECT_EQ(parsed->find("c")->type, DType::other);
  EXPECT_EQ(parsed->find("d"), nullptr);
}

TEST(Safetensors, AnEmptyFileOfTensorsIsSound) {
  EXPECT_TRUE(parse(file_of("{}", 0)));
}

struct Flaw {
  const char* what;
  std::string file;
  const char* says;
};

std::string one(const std::string& entry, std::size_t bytes) {
  return file_of("{\"t\":" + entry + "}", bytes);
}

std::string with_raw_length(std::uint64_t length, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&length), 8) + rest;
}

std::vector<Flaw> flaws() {
  const std::string f32 = R"({"dtype":"F32","shape":[2],"data_offsets":)";
  return {
      {"nothing", "", "too short"},
      {"seven bytes", std::string(7, '\0'), "too short"},
      {"no header", with_raw_length(0, ""), "header length"},
      {"one byte of header", with_raw_length(1, "{"), "header length"},
      {"header beyond the file", with_raw_length(100, "{}"), "header length"},
      {"header of 2^63 bytes", with_raw_length(std::uint64_t(1) << 63, "{}"), "header length"},
      {"header of 2^64 - 1 bytes", with_raw_length(~std::uint64_t(0), "{}"), "header length"},
      {"a huge header", with_raw_length(200u << 20, std::string(1 << 20, ' ')), "header length"},
      {"no JSON", file_of("{\"t\"", 0), "well-formed"},
      {"text after the JSON", file_of("{}x", 0), "well-formed"},
      {"space before the JSON", file_of(" {}", 0), "no JSON object"},
      {"a list", file_of("[]", 0), "no JSON object"},
      {"bytes that are not UTF-8", file_of("{\"\xff\":1}", 0), "well-formed"},
      {"deep nesting", file_of(std::string(1000, '['), 0), "well-formed"},
      {"the same tensor twice",
       file_of("{\"t\":" + f32 + "[0,8]},\"t\":" + f32 + "[0,8]}}", 8), "repeats the key"},
      {"the same field twice",
       one(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8),
       "repeats the key"},
      {"metadata that is no text", file_of(R"({"__metadata__":{"a":1}})", 0), "metadata"},
      {"metadata that is a list", file_of(R"({"__metadata__":[]})", 0), "metadata"},
      {"a tensor that is no object", one("7", 0), "not described"},
      {"no dtype", one(R"({"shape":[2],"data_offsets":[0,8]})", 8), "lacks exactly"},
      {"a field too many", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})", 8),
       "lacks exactly"},
      {"an unknown dtype", one(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})", 8),
       "unknown dtype"},
      {"a dtype that is a number", one(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})", 8),
       "lacks exactly"},
      {"a negative extent", one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", 8),
       "no proper shape"},
      {"a fractional extent", one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", 8),
       "no proper shape"},
      {"nine dimensions",
       one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]})", 8),
       "no proper shape"},
      {"a shape that overflows",
       one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})", 8),
       "impossible shape"},
      {"one offset", one(f32 + "[0]}", 8), "no proper shape"},
      {"three offsets", one(f32 + "[0,8,8]}", 8), "no proper shape"},
      {"offsets turned round", one(f32 + "[8,0]}", 8), "disagrees"},
      {"too few bytes for the shape", one(f32 + "[0,4]}", 4), "disagrees"},
      {"a hole at the start", one(f32 + "[4,12]}", 12), "hole or an overlap"},
      {"a hole between",
       file_of("{\"a\":" + f32 + "[0,8]},\"b\":" + f32 + "[12,20]}}", 20), "hole or an overlap"},
      {"an overlap",
       file_of("{\"a\":" + f32 + "[0,8]},\"b\":" + f32 + "[4,12]}}", 12), "hole or an overlap"},
      {"two tensors on the same bytes",
       file_of("{\"a\":" + f32 + "[0,8]},\"b\":" + f32 + "[0,8]}}", 8), "hole or an overlap"},
      {"a truncated file", one(f32 + "[0,8]}", 7), "ends inside"},
      {"bytes after the last tensor", one(f32 + "[0,8]}", 9), "bytes after"},
      {"bytes without a tensor", file_of("{}", 1), "bytes after"},
  };
}

TEST(Safetensors, RefusesEveryFlaw) {
  for (const auto& [what, file, says] : flaws()) {
    const auto parsed = parse(file);
    ASSERT_FALSE(parsed) << what;
    EXPECT_EQ(parsed.error().code, Errc::model_invalid) << what;
    EXPECT_NE(parsed.error().message.find(says), std::string::npos)
        << what << ": " << parsed.error().message;
    EXPECT_TRUE(parsed.error().message.starts_with("m.safetensors ")) << parsed.error().message;
  }
}

TEST(Safetensors, RefusesEveryPrefixOfASoundFile) {
  const auto file = testing::safetensors_of(
      testing::random_tensors({.hidden = 4, .layers = 1, .heads = 1, .intermediate = 4,
                               .positions = 8, .rows = 5}));
  ASSERT_TRUE(parse(file));
  for (std::size_t size = 0; size < file.size(); ++size)
    ASSERT_FALSE(parse(file.substr(0, size))) << size << " of " << file.size() << " bytes";
}

TEST(Tensor, WidensEveryHalf) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double size = exponent == 0    ? std::ldexp(fraction, -24)
                        : exponent == 31 ? std::numeric_limits<double>::infinity()
                                         : std::ldexp(1024 + fraction, exponent - 25);
    const double wanted = half >> 15 != 0 ? -size : size;
    const float got = widen_f16(half);
    if (exponent == 31 && fraction != 0) {
      ASSERT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(got, wanted) << bits;
      ASSERT_EQ(std::signbit(got), std::signbit(wanted)) << bits;
    }
  }
  EXPECT_EQ(widen_bf16(0x3f80), 1.0f);
  EXPECT_EQ(widen_bf16(0xc000), -2.0f);
}

TEST(Tensor, ReadsUnalignedBytes) {
  const std::vector<float> values{1.5f, -2.25f, 3e10f};
  const std::string bytes = "x" + testing::to_bytes(values, "F32");
  const Tensor tensor{"t", DType::f32, {3}, std::as_bytes(std::span(bytes)).subspan(1)};
  EXPECT_EQ(tensor.floats(), values);
  std::vector<float> last(1);
  tensor.read(2, last);
  EXPECT_EQ(last[0], 3e10f);
}

TEST(Tensor, FindsTheOneNumberThatIsNotFinite) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> values(3'000, 1e38f);
    const auto finite = [&values] {
      const auto bytes = testing::to_bytes(values, "F32");
      return Tensor{"t", DType::f32, {values.size()}, std::as_bytes(std::span(bytes))}.all_finite();
    };
    EXPECT_TRUE(finite());
    values[2'500] = bad;
    EXPECT_FALSE(finite());
  }
}

}  // namespace
}  // namespace memseal::model
