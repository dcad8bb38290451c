#include "pure/crypto/internal/base64.hpp"

#include "support.hpp"

namespace memseal::crypto {
namespace {

using namespace testing;

TEST(Base64, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(base64_encode(bytes(plain), Base64::standard), encoded);
    EXPECT_EQ(base64_decode(encoded, Base64::standard), bytes(plain));
    std::string bare(encoded);
    while (bare.ends_with('=')) bare.pop_back();
    EXPECT_EQ(base64_encode(bytes(plain), Base64::url), bare);
    EXPECT_EQ(base64_decode(bare, Base64::url), bytes(plain));
  }
}

TEST(Base64, CarriesEveryByteAtEveryLength) {
  for (std::size_t size = 0; size < 70; ++size) {
    const auto value = key_of(static_cast<std::uint8_t>(200 + size), size);
    for (const auto kind : {Base64::standard, Base64::url})
      EXPECT_EQ(hex(base64_decode(base64_encode(value.view(), kind), kind).value()),
                hex(value.view()));
  }
}

TEST(Base64, RefusesEveryOtherSpelling) {
  for (const char* twin : {"Zg", "Zg=", "Zh==", "Zg===", "Zg== ", " Zg==", "Z g=", "Zm9=", "=",
                           "==", "====", "Zg==Zg==", "Zm9v\n", "Zm-_", "Z", "Zm9vY", "A=A="})
    EXPECT_FALSE(base64_decode(twin, Base64::standard)) << twin;
  for (const char* twin : {"Zg==", "Zm8=", "Zh", "Zm9", "Z", "Zm+/", "Zg ", "Zm9v\n", "Zm9vY"})
    EXPECT_FALSE(base64_decode(twin, Base64::url)) << twin;
}

TEST(Hex, TakesPairsOfDigitsOnly) {
  EXPECT_EQ(hex_decode("00fFaB"), (Bytes{0, 255, 0xab}));
  EXPECT_EQ(hex_decode(""), Bytes());
  for (const char* bad : {"0", "0g", "0x00", "00 ", " 00", "0-"}) EXPECT_FALSE(hex_decode(bad));
}

}  // namespace
}  // namespace memseal::crypto
