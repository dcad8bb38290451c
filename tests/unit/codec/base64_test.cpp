#include "pure/codec/base64.hpp"

#include "pure/codec/hex.hpp"

#include <gtest/gtest.h>

namespace memseal::codec {
namespace {

Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Base64, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(encode_base64(bytes(plain), Base64::standard), encoded);
    EXPECT_EQ(decode_base64(encoded, Base64::standard), bytes(plain));
    std::string bare(encoded);
    while (bare.ends_with('=')) bare.pop_back();
    EXPECT_EQ(encode_base64(bytes(plain), Base64::url), bare);
    EXPECT_EQ(decode_base64(bare, Base64::url), bytes(plain));
  }
}

TEST(Base64, CarriesEveryByteAtEveryLength) {
  for (std::size_t size = 0; size < 70; ++size) {
    Bytes value(size);
    for (std::size_t i = 0; i < size; ++i) value[i] = static_cast<std::uint8_t>(200 + size + 7 * i);
    for (const auto kind : {Base64::standard, Base64::url})
      EXPECT_EQ(decode_base64(encode_base64(value, kind), kind), value);
  }
}

TEST(Base64, RefusesEveryOtherSpelling) {
  for (const char* twin : {"Zg", "Zg=", "Zh==", "Zg===", "Zg== ", " Zg==", "Z g=", "Zm9=", "=",
                           "==", "====", "Zg==Zg==", "Zm9v\n", "Zm-_", "Z", "Zm9vY", "A=A="})
    EXPECT_FALSE(decode_base64(twin, Base64::standard)) << twin;
  for (const char* twin : {"Zg==", "Zm8=", "Zh", "Zm9", "Z", "Zm+/", "Zg ", "Zm9v\n", "Zm9vY"})
    EXPECT_FALSE(decode_base64(twin, Base64::url)) << twin;
}

TEST(Base64, DecodesToAStringAsToBytes) {
  EXPECT_EQ(decode_base64_text(""), "");
  EXPECT_EQ(decode_base64_text("Zg=="), "f");
  EXPECT_EQ(decode_base64_text("Zm8="), "fo");
  EXPECT_EQ(decode_base64_text("Zm9v"), "foo");
  EXPECT_EQ(decode_base64_text("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64_text("++//"), "\xfb\xef\xff");
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const std::string_view text :
       {"Z", "Zg", "Zg=", "Zm8", "Zh==", "Zm9=", "=", "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9",
        "Zm-_", "Zg=a", "\xff\xff\xff\xff"})
    EXPECT_FALSE(decode_base64_text(text)) << text;
}

TEST(Base64, AppendsToWhatIsThere) {
  std::string text = "x:";
  append_base64(text, "foob");
  EXPECT_EQ(text, "x:Zm9vYg==");
}

TEST(Hex, TakesPairsOfDigitsOnly) {
  EXPECT_EQ(decode_hex("00fFaB"), (Bytes{0, 255, 0xab}));
  EXPECT_EQ(decode_hex(""), Bytes());
  for (const char* bad : {"0", "0g", "0x00", "00 ", " 00", "0-"}) EXPECT_FALSE(decode_hex(bad));
}

}  // namespace
}  // namespace memseal::codec
