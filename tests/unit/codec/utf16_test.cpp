#include "pure/codec/utf16.hpp"

#include "pure/codec/utf8.hpp"

#include <gtest/gtest.h>

namespace memseal::codec {
namespace {

std::string bytes_of(std::u16string_view units, ByteOrder order) {
  std::string bytes;
  for (const char16_t unit : units) {
    const char high = static_cast<char>(unit >> 8), low = static_cast<char>(unit & 0xff);
    bytes += order == ByteOrder::big ? high : low;
    bytes += order == ByteOrder::big ? low : high;
  }
  return bytes;
}

TEST(Utf16, BecomesUtf8InEitherByteOrder) {
  const std::pair<std::u16string, std::string> cases[] = {
      {u"", ""},
      {u"plain", "plain"},
      {u"\u007f\u0080\u07ff\u0800\uffff", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
      {u"žluťoučký", "žluťoučký"},
      {u"\U00010000\U0001F600\U0010FFFF", "\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"}};
  for (const auto order : {ByteOrder::little, ByteOrder::big})
    for (const auto& [units, text] : cases) {
      const auto decoded = utf8_of_utf16(bytes_of(units, order), order);
      ASSERT_TRUE(decoded) << text;
      EXPECT_EQ(*decoded, text);
      EXPECT_TRUE(is_utf8(*decoded));
    }
}

TEST(Utf16, IsRefusedWhereItIsIllFormed) {
  const char16_t lead = 0xD83D, trail = 0xDE00;
  const std::u16string cases[] = {{lead}, {trail}, {lead, u'a'}, {lead, lead}, {trail, lead}};
  for (const auto& units : cases)
    EXPECT_FALSE(utf8_of_utf16(bytes_of(units, ByteOrder::big), ByteOrder::big));
  EXPECT_FALSE(utf8_of_utf16("abc", ByteOrder::little)) << "an odd number of bytes";
}

}  // namespace
}  // namespace memseal::codec
