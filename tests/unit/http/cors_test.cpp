#include "http/server/cors.hpp"

#include <gtest/gtest.h>

namespace memseal::http {
namespace {

TEST(Cors, ReadsAListOfOrigins) {
  EXPECT_TRUE(parse_origins("")->empty());
  EXPECT_TRUE(parse_origins(" ")->empty());
  EXPECT_EQ(parse_origins("https://app.example").value(),
            std::vector<std::string>{"https://app.example"});
  EXPECT_EQ(parse_origins(" https://app.example , http://localhost:3000,http://[::1]:80,").value(),
            (std::vector<std::string>{"https://app.example", "http://localhost:3000",
                                      "http://[::1]:80"}));
}

TEST(Cors, RefusesWhatNoBrowserSendsAsAnOrigin) {
  for (const char* list : {"*", "app.example", "https://", "https://app.example/",
                           "https://App.example", "https://a.example,*", "null", "ftp://a.example",
                           "https://a.example b", ",https://a.example"}) {
    const auto origins = parse_origins(list);
    ASSERT_FALSE(origins) << list;
    EXPECT_EQ(origins.error().code, Errc::bad_config);
  }
}

}  // namespace
}  // namespace memseal::http
