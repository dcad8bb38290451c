#include "pure/trace/otlp.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace memseal::trace {
namespace {

/// By make_vector.py beside this file: the official schema, and an encoder that is not ours.
const std::string official =
    "0ac7040a250a160a0c736572766963652e6e616d6512060a0473686f700a0b0a05656d70747912020a0012"
    "9d040a100a076d656d7365616c1205312e322e3312c9030a100102030405060708090a0b0c0d0e0f101208"
    "1112131415161718220821222324252627282a07504f5354202f7830023901002a36fe9c97174182b21045"
    "fe9c97174a200a19687474702e726573706f6e73652e7374617475735f636f6465120318f7034a170a086e"
    "65676174697665120b18ffffffffffffffffff014a0a0a047a65726f120218004a080a026e6f120210004a"
    "090a03796573120210014ad4010a04776f726412cb010ac801c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9"
    "c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3"
    "a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9"
    "c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3"
    "a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9"
    "c3a9c3a9c3a9c3a9c3a96a210a100102030405060708090a0b0c0d0e0f1012083132333435363738350101"
    "00006a210a100102030405060708090a0b0c0d0e0f1012082122232425262728350001000070ac027a0218"
    "02850101030000123d0a100102030405060708090a0b0c0d0e0f10120831323334353637382a0566697273"
    "743001390500000000000000410500000000000000850101010000";

template <std::size_t count>
std::array<std::uint8_t, count> numbers_from(std::uint8_t first) {
  std::array<std::uint8_t, count> numbers;
  for (auto& number : numbers) number = first++;
  return numbers;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(Otlp, EncodesWhatTheOfficialEncoderDoes) {
  const auto trace_id = numbers_from<16>(1);
  const SpanContext span{trace_id, numbers_from<8>(17), true};
  const SpanContext parent{trace_id, numbers_from<8>(33), false};
  const SpanContext other{trace_id, numbers_from<8>(49), true};
  std::string word;
  for (int i = 0; i < 100; ++i) word += "\xc3\xa9";

  SpanData first;
  first.context = span;
  first.parent = parent.span_id;
  first.parent_is_remote = true;
  first.name = "POST /x";
  first.kind = SpanKind::server;
  first.start_ns = 1'700'000'000'000'000'001;
  first.end_ns = 1'700'000'000'250'000'002;
  first.attributes = {{"http.response.status_code", std::int64_t{503}},
                      {"negative", std::int64_t{-1}},
                      {"zero", std::int64_t{0}},
                      {"no", false},
                      {"yes", true},
                      {"word", word}};
  first.links = {other, parent};
  first.links_dropped = 300;
  first.failed = true;
  SpanData second;
  second.context = {trace_id, other.span_id, true};
  second.name = "first";
  second.start_ns = second.end_ns = 5;

  const std::vector<SpanData> spans{first, second};
  EXPECT_EQ(hex(encode_export({{"service.name", "shop"}, {"empty", ""}}, "1.2.3", spans)),
            official);
}

TEST(Otlp, ReadsHowManySpansWereRejected) {
  using std::string_literals::operator""s;
  EXPECT_EQ(rejected_spans(""), 0);
  EXPECT_EQ(rejected_spans("\x0a\x00"s), 0);
  EXPECT_EQ(rejected_spans("\x0a\x03\x08\xac\x02"s), 300);
  // With a message beside the number, and fields that this version does not know.
  EXPECT_EQ(rejected_spans("\x0a\x06\x08\x05\x12\x02no\x18\x07\x25\x01\x02\x03\x04"s
                           "\x29\x01\x02\x03\x04\x05\x06\x07\x08"s),
            5);
  // -1 is no number of spans.
  EXPECT_EQ(rejected_spans("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s), 0);
  for (const auto& bad : {"\x0a"s, "\x0a\x05\x08"s, "\x0a\x01\x08"s, "\x08\xff"s, "\x00\x01"s,
                          "\x0b"s, "\x0d\x01\x02"s, "\x09\x01"s, "\x0a\xff\xff\xff\xff\x7f"s,
                          "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s})
    EXPECT_FALSE(rejected_spans(bad)) << hex(bad);
}

}  // namespace
}  // namespace memseal::trace
