// The only code beside the keys that touches what a hostile document may have made.
#include "adapters/extractor/frame_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace memseal::extractor {
namespace {

using State = FrameReader::State;

std::string frame(char type, std::string_view payload = {}, unsigned level = 0) {
  const auto size = payload.size();
  std::string head{type, static_cast<char>(level), 0, 0};
  for (int i = 0; i < 4; ++i) head += static_cast<char>(size >> (8 * i));
  return head + std::string(payload);
}

const std::string begin = frame('B', "1"), end = frame('E');

/// In pieces of every size, which must not matter.
std::string text_of(const std::string& stream) {
  std::string first;
  for (const std::size_t piece : {stream.size(), std::size_t{1}, std::size_t{7}}) {
    FrameReader reader(10'000, 100'000);
    for (std::size_t at = 0; at < stream.size(); at += piece)
      reader.take(std::string_view(stream).substr(at, piece));
    EXPECT_EQ(reader.state(), State::ended);
    const auto text = std::move(reader).text().text;
    EXPECT_TRUE(first.empty() || first == text) << piece;
    first = text;
  }
  return first;
}

TEST(FrameReader, BlocksBecomeOneText) {
  EXPECT_EQ(text_of(begin + frame('H', "A\nb", 2) + frame('T', "one\r\ntwo\x01") +
                    frame('R', "a\tb") + frame('R', "c\nd") + frame('C', "x\n") +
                    frame('C', "\ty") + frame('H', "deep", 9) + end),
            "## A b\n\none\ntwo \n\na\tb\nc d\n\nx\n\ty\n\n###### deep");
}

TEST(FrameReader, PagesBeginWhereTheirTextDoes) {
  FrameReader reader(1'000, 1'000);
  reader.take(begin + frame('P', "i") + frame('M', "title\tLog") + frame('T', "one") +
              frame('P', "") + frame('P', "2") + frame('T', "two") + frame('W', "a part") +
              frame('P', "3") + end);
  ASSERT_EQ(reader.state(), State::ended);
  const auto found = std::move(reader).text();
  EXPECT_EQ(found.text, "one\n\ntwo");
  EXPECT_EQ(found.title, "Log");
  EXPECT_FALSE(found.is_whole);
  ASSERT_EQ(found.pages.size(), 4u);
  EXPECT_EQ(found.pages[0].label, "i");
  const std::vector<std::size_t> starts{0, 5, 5, 8};
  for (std::size_t i = 0; i < starts.size(); ++i) EXPECT_EQ(found.pages[i].at, starts[i]) << i;
}

TEST(FrameReader, ATextAsItIsHasNoHeadings) {
  const auto is_plain = [](const std::string& frames) {
    FrameReader reader(1'000, 1'000);
    reader.take(begin + frames + end);
    return std::move(reader).text().is_plain;
  };
  EXPECT_TRUE(is_plain(frame('C', "a") + frame('C', "b")));
  EXPECT_FALSE(is_plain(frame('C', "a") + frame('T', "b")));
  EXPECT_FALSE(is_plain(frame('T', "a") + frame('C', "b")));
  EXPECT_FALSE(is_plain(""));
}

TEST(FrameReader, TheHelperSaysHowItEndedAndWhatItCan) {
  FrameReader reader(1'000, 1'000);
  EXPECT_EQ(reader.take(frame('B', "1\tpdfium") + frame('E', "", 1)), State::ended);
  EXPECT_EQ(reader.end(), extract::End::encrypted);
  EXPECT_TRUE(reader.can_read_pdf());
}

struct BadStream {
  const char* what;
  std::string bytes;
  State state;
};

// Table: streams that memseal-extract never writes, and those that are too much.
std::vector<BadStream> bad_streams() {
  auto reserved = frame('T', "x"), long_one = frame('T');
  reserved[2] = 1;
  long_one[6] = 0x10;
  long_one[4] = 1;
  return {{"no begin", frame('T', "x"), State::broken},
          {"two begins", begin + begin, State::broken},
          {"another version", frame('B', "2"), State::broken},
          {"an unknown type", begin + frame('Z'), State::broken},
          {"a type of zero", begin + frame('\0'), State::broken},
          {"a level of ten", begin + frame('H', "x", 10), State::broken},
          {"a reserved bit", begin + reserved, State::broken},
          {"a length over the most", begin + long_one, State::broken},
          {"a length of 4 GiB", begin + std::string("T\0\0\0\xff\xff\xff\xff", 8), State::broken},
          {"no UTF-8", begin + frame('T', "\xff"), State::broken},
          {"half a character", begin + frame('T', "\xe2\x82"), State::broken},
          {"a surrogate", begin + frame('T', "\xed\xa0\x80"), State::broken},
          {"no UTF-8 in a label", begin + frame('P', "\xff"), State::broken},
          {"an unknown end", begin + frame('E', "", 6), State::broken},
          {"an end that talks", begin + frame('E', "x"), State::broken},
          {"more after the end", begin + end + "x", State::broken},
          {"no end", begin + frame('T', "x"), State::reading},
          {"half a frame", begin + frame('T', "xyz").substr(0, 9), State::reading},
          {"a text too long", begin + frame('T', std::string(101, 'x')), State::too_large},
          {"a stream too long", begin + frame('M', std::string(2'000, 'x')), State::too_large}};
}

TEST(FrameReader, ABadStreamIsRefused) {
  for (const auto& bad : bad_streams()) {
    FrameReader whole(100, 1'000), by_byte(100, 1'000);
    whole.take(bad.bytes);
    for (const char byte : bad.bytes) by_byte.take({&byte, 1});
    EXPECT_EQ(whole.state(), bad.state) << bad.what;
    EXPECT_EQ(by_byte.state(), bad.state) << bad.what;
    EXPECT_LE(std::move(whole).text().text.size(), 2'000u) << bad.what;
  }
}

TEST(FrameReader, PagesAreBounded) {
  FrameReader reader(100, 10'000'000);
  std::string pages = begin;
  for (std::size_t i = 0; i <= FrameReader::pages_max; ++i) pages += frame('P');
  EXPECT_EQ(reader.take(pages), State::too_large);
}

}  // namespace
}  // namespace memseal::extractor
