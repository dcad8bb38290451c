#include "app/config/listen_address.hpp"

#include <gtest/gtest.h>

namespace memseal::app {
namespace {

TEST(ListenAddress, IsTakenApartAndReachedByAUrl) {
  const struct {
    const char *text, *host;
    std::uint16_t port;
    const char* url;
  } cases[] = {{"127.0.0.1:7400", "127.0.0.1", 7400, "http://127.0.0.1:7400"},
               {"localhost:0", "localhost", 0, "http://localhost:0"},
               {"[::1]:7400", "::1", 7400, "http://[::1]:7400"},
               {"::1:7400", "::1", 7400, "http://[::1]:7400"},
               {"10.1.2.3:65535", "10.1.2.3", 65'535, "http://10.1.2.3:65535"},
               {"0.0.0.0:80", "0.0.0.0", 80, "http://127.0.0.1:80"},
               {"[::]:80", "::", 80, "http://[::1]:80"}};
  for (const auto& [text, host, port, url] : cases) {
    const auto listen = ListenAddress::parse(text, "http.listen");
    ASSERT_TRUE(listen) << text;
    EXPECT_EQ(listen->host, host) << text;
    EXPECT_EQ(listen->port, port) << text;
    EXPECT_EQ(listen->url(), url) << text;
  }
}

TEST(ListenAddress, NamesTheSettingThatIsMalformed) {
  for (const std::string bad : {"", "foo", "7400", ":7400", "127.0.0.1:", "127.0.0.1:99999",
                                "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:74x", "127.0.0.1: 1"}) {
    const auto listen = ListenAddress::parse(bad, "http.admin_listen");
    ASSERT_FALSE(listen) << bad;
    EXPECT_EQ(listen.error().code, Errc::bad_config);
    EXPECT_EQ(listen.error().field, "http.admin_listen");
    EXPECT_NE(listen.error().message.find("\"" + bad + "\""), std::string::npos);
  }
}

}  // namespace
}  // namespace memseal::app
