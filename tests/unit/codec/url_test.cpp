#include "pure/codec/url.hpp"

#include <gtest/gtest.h>

namespace memseal::codec {
namespace {

TEST(Url, IsTakenApart) {
  const auto url = Url::parse("https://Api.example.com/v1/");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "Api.example.com");
  EXPECT_EQ(url->port, "443");
  EXPECT_EQ(url->path, "/v1");
  EXPECT_EQ(url->authority(), "Api.example.com");
  EXPECT_EQ(url->origin(), "https://Api.example.com:443");
  const auto six = Url::parse("http://[::1]:8080");
  ASSERT_TRUE(six);
  EXPECT_FALSE(six->tls);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->authority(), "[::1]:8080");
  EXPECT_EQ(six->path, "");
  EXPECT_EQ(Url::parse("http://tei:80/")->authority(), "tei");
}

TEST(Url, RefusesWhatIsNoAddressOfAnEndpoint) {
  for (const std::string bad : {"",
                                "api.example.com",
                                "ftp://host",
                                "https://",
                                "https:///v1",
                                "https://:443",
                                "https://host:",
                                "https://host:0",
                                "https://host:65536",
                                "https://host:4x",
                                "https://host:123456",
                                "https://user:pass@host",
                                "https://host/v1?key=1",
                                "https://host/v1#x",
                                "https://ho st",
                                "https://host\r\nX: y",
                                "https://[::1",
                                "https://[]",
                                "https://[host]",
                                "https://[::1]x",
                                "https://h\xc3\xb6st",
                                "HTTPS://host",
                                "https://http://host",
                                "http://a:b:80",
                                "http://host:+80",
                                "http://host: 80"}) {
    const auto url = Url::parse(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().code, Errc::bad_config);
  }
}

TEST(HostPort, IsSplitAtTheFirstColonOutsideBrackets) {
  const struct {
    std::string_view text, host;
    std::optional<std::string_view> port;
    bool bracketed;
  } cases[] = {{"", "", std::nullopt, false},
               {"host", "host", std::nullopt, false},
               {"host:", "host", "", false},
               {":80", "", "80", false},
               {"host:80", "host", "80", false},
               {"a:b:80", "a", "b:80", false},
               {"[::1]", "::1", std::nullopt, true},
               {"[::1]:80", "::1", "80", true},
               {"[]:80", "", "80", true}};
  for (const auto& [text, host, port, bracketed] : cases) {
    const auto parts = split_host_port(text);
    ASSERT_TRUE(parts) << text;
    EXPECT_EQ(parts->host, host) << text;
    EXPECT_EQ(parts->port, port) << text;
    EXPECT_EQ(parts->bracketed, bracketed) << text;
  }
  for (const std::string_view bad : {"[", "[::1", "[::1]80", "[::1]x:80", "[::1] :80"})
    EXPECT_FALSE(split_host_port(bad)) << bad;
}

TEST(Port, IsANumberFrom1To65535) {
  EXPECT_EQ(parse_port("1"), 1);
  EXPECT_EQ(parse_port("65535"), 65'535);
  for (const std::string_view bad :
       {"", "0", "65536", "-1", "+1", " 1", "1 ", "1x", "0x1", "http", "99999999999999999999"})
    EXPECT_FALSE(parse_port(bad)) << bad;
}

TEST(PercentEncode, LeavesOnlyWhatNoPartOfAUrlReserves) {
  EXPECT_EQ(percent_encode(""), "");
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a/b c?d&e=%+"), "a%2Fb%20c%3Fd%26e%3D%25%2B");
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  EXPECT_EQ(percent_decode(percent_encode(every)), every);
}

TEST(PercentDecode, TakesTwoHexDigitsAfterEachPercentSign) {
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("plain+text"), "plain+text");
  EXPECT_EQ(percent_decode("p%40ss%3A%2f%25"), "p@ss:/%");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  for (const std::string_view bad : {"%", "%4", "a%", "a%4", "%4g", "%g4", "%%40", "% 4", "%-1"})
    EXPECT_FALSE(percent_decode(bad)) << bad;
}

}  // namespace
}  // namespace memseal::codec
