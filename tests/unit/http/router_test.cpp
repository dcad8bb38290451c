// Which route answers which path.
#include "http/routes/handlers.hpp"
#include "http/routes/router.hpp"
#include "runtime/metrics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace memseal::http {
namespace {

constexpr auto any = Scope::every_listener;

constexpr std::array table{
    Route{"GET", "/files", any, get_health},
    Route{"POST", "/files", any, get_health},
    Route{"GET", "/files/{id}", any, get_health},
    Route{"DELETE", "/files/{id}", any, get_health},
    Route{"POST", "/files/search", any, get_health},
    Route{"GET", "/files/{id}/chunks", any, get_health},
    Route{"GET", "/{id}/about", any, get_health},
    Route{"GET", "/admin", Scope::admin, get_health},
};

struct RouterTest : ::testing::Test {
  Match find(std::string_view method, std::string_view path) {
    return find_route(table, deps, method, path);
  }
  std::string id_of(std::string_view path) { return find("GET", path).id; }

  runtime::Metrics metrics;
  RouteDeps deps{.metrics = metrics};
};

TEST_F(RouterTest, FindsAnIdInTheMiddleAndAtTheEnd) {
  EXPECT_EQ(find("GET", "/files/a1/chunks").pattern, "/files/{id}/chunks");
  EXPECT_EQ(id_of("/files/a1/chunks"), "a1");
  EXPECT_EQ(find("GET", "/files/a1").pattern, "/files/{id}");
  EXPECT_EQ(id_of("/files/a1"), "a1");
  EXPECT_EQ(id_of("/x/about"), "x");
}

TEST_F(RouterTest, ALiteralSegmentWinsOverAnId) {
  const auto search = find("POST", "/files/search");
  EXPECT_EQ(search.pattern, "/files/search");
  ASSERT_NE(search.route, nullptr);
  EXPECT_EQ(find("GET", "/files/about").pattern, "/files/{id}");
  const auto wrong_method = find("GET", "/files/search");
  EXPECT_EQ(wrong_method.route, nullptr);
  EXPECT_EQ(wrong_method.methods, "POST, OPTIONS");
}

TEST_F(RouterTest, SeveralMethodsOfOnePathAreOneResource) {
  ASSERT_NE(find("GET", "/files").route, nullptr);
  EXPECT_EQ(find("GET", "/files").route->method, "GET");
  EXPECT_EQ(find("HEAD", "/files").route->method, "GET");
  EXPECT_EQ(find("POST", "/files").route->method, "POST");
  EXPECT_EQ(find("PUT", "/files").route, nullptr);
  EXPECT_EQ(find("PUT", "/files").methods, "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(find("GET", "/files/x").methods, "GET, HEAD, DELETE, OPTIONS");
}

TEST_F(RouterTest, DecodesAnIdOnce) {
  EXPECT_EQ(id_of("/files/a%20b"), "a b");
  EXPECT_EQ(id_of("/files/%c3%A9"), "\xc3\xa9");
  EXPECT_EQ(id_of("/files/%2541"), "%41");
  EXPECT_EQ(id_of("/files/a+b"), "a+b");
}

TEST_F(RouterTest, AnIdThatCannotBeOneMatchesNothing) {
  for (const std::string_view id : {"", "%", "%2", "%zz", "a%2Fb", "%00", "%0a", "%7f", "%c3",
                                    "%ff", "%ed%a0%80"})
    EXPECT_TRUE(find("GET", "/files/" + std::string(id)).pattern.empty()) << id;
  EXPECT_EQ(id_of("/files/" + std::string(255, 'a')).size(), 255u);
  EXPECT_TRUE(find("GET", "/files/" + std::string(256, 'a')).pattern.empty());
}

TEST_F(RouterTest, DecodesWhatNeedsNoEncodingBeforeItMatches) {
  EXPECT_EQ(normal_path("/%68ealth"), "/health");
  EXPECT_EQ(normal_path("/%7Ea%2Db%5fc%2e%30"), "/~a-b_c.0");
  for (const char* path :
       {"/a%2Fb", "/a%20b", "/%2541", "/%", "/%6", "/%zz", "/%c3%a9", "/%00", "/%%34%31",
        "/%2%35", ""})
    EXPECT_EQ(normal_path(path), path);
}

TEST_F(RouterTest, OtherPathsMatchNothing) {
  for (const std::string_view path :
       {"", "/", "files", "/file", "/filesx", "/files/a/", "/files//chunks", "/files/a/chunk",
        "/files/a/chunks/", "/files/a/b/chunks", "//files", "/Files", "/%66iles", "*"})
    EXPECT_TRUE(find("GET", path).pattern.empty()) << path;
}

TEST_F(RouterTest, ARouteOfAnotherListenerIsUnknown) {
  EXPECT_TRUE(find("GET", "/admin").pattern.empty());
  deps.admin = true;
  EXPECT_EQ(find("GET", "/admin").pattern, "/admin");
}

}  // namespace
}  // namespace memseal::http
