// Form: what a reader may count on in every file.
#include "functions.hpp"
#include "sources.hpp"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

namespace memseal::tidy {
namespace {

constexpr std::size_t columns_max = 100, file_lines_max = 400, function_lines_max = 60;

// Columns as people count them: UTF-8 continuation bytes do not.
std::size_t columns(const std::string& line) {
  return static_cast<std::size_t>(std::count_if(
      line.begin(), line.end(), [](unsigned char byte) { return (byte & 0xc0) != 0x80; }));
}

TEST(Form, LinesFitAHundredColumns) {
  for (const auto& source : sources_under({"include", "src", "kernels", "tests", "bench"})) {
    if (source.is_generated()) continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i)
      EXPECT_LE(columns(source.lines[i]), columns_max) << source.path << ":" << i + 1;
  }
}

TEST(Form, FilesStayShort) {
  for (const auto& source : product_sources()) {
    if (source.is_generated()) continue;
    EXPECT_LE(source.lines.size(), file_lines_max) << source.path;
  }
}

TEST(Form, FunctionsStayShort) {
  std::size_t functions = 0;
  for (const auto& source : product_sources()) {
    if (source.is_generated()) continue;
    for (const auto& [first, last] : functions_of(source.lines)) {
      ++functions;
      if (first > 0 && source.lines[first - 1].find("// Table: ") != std::string::npos) continue;
      EXPECT_LE(last - first + 1, function_lines_max) << source.path << ":" << first + 1;
    }
  }
  EXPECT_GT(functions, 1000u);
}

TEST(Form, AFunctionIsFoundWhereverItStands) {
  const std::vector<std::string> lines{"namespace a {",                           // 0
                                       "// int comment() {",                      // 1
                                       "class B : public C {",                    // 2
                                       " public:",                                // 3
                                       "  explicit B(int x)",                     // 4
                                       "      : C{x}, y_(x), z_{x} {",            // 5
                                       "    run([&] { return '{'; });",           // 6
                                       "  }",                                     // 7
                                       "  int y() const { return y_; }",          // 8
                                       "  struct D {",                            // 9
                                       "    void e(std::vector<int> f = {}) {",   // 10
                                       "      if (g) h(R\"(}\");",                // 11
                                       "      )\");",                             // 12
                                       "    }",                                   // 13
                                       "  };",                                    // 14
                                       "  int i_ = 0, j_{1'000};",                // 15
                                       "};",                                      // 16
                                       "const std::map<int, K> k{{1, l({2})}};",  // 17
                                       "template <class T>",                      // 18
                                       "requires(sizeof(T) > 1) void m(T) {",     // 19
                                       "  struct N { int o() { return 1; } };",   // 20
                                       "}",                                       // 21
                                       "}  // namespace a"};                      // 22
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (const auto& [first, last] : functions_of(lines)) found.emplace_back(first, last);
  const std::vector<std::pair<std::size_t, std::size_t>> expected{
      {4, 7}, {8, 8}, {10, 13}, {18, 21}};
  EXPECT_EQ(found, expected);
}

TEST(Form, HeadersGuardThemselves) {
  for (const auto& source : sources_under({"include", "src", "tests", "bench"}))
    if (source.is_header()) {
      EXPECT_NE(std::find(source.lines.begin(), source.lines.end(), "#pragma once"),
                source.lines.end())
          << source.path;
    }
}

TEST(Form, NoFileHasTabsOrTrailingSpace) {
  for (const auto& source : sources_under({"include", "src", "tests", "bench"}))
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      const auto& line = source.lines[i];
      EXPECT_EQ(line.find('\t'), std::string::npos) << source.path << ":" << i + 1;
      EXPECT_FALSE(!line.empty() && line.back() == ' ') << source.path << ":" << i + 1;
    }
}

struct Banned {
  std::vector<const char*> hints;  ///< a line without one of these is not searched: that is slow
  const char* pattern;
  const char* why;
  std::set<std::string> allowed_in;  ///< rooms
};

bool holds_one_of(const std::string& line, const std::vector<const char*>& words) {
  return std::any_of(words.begin(), words.end(), [&](const char* word) {
    return line.find(word) != std::string::npos;
  });
}

TEST(Form, BannedWordsStayOut) {
  const std::vector<Banned> banned{
      {{"detached"}, R"(\bdetached\b)", "a task has a parent: use runtime::TaskGroup", {}},
      {{"getenv"}, R"(\bgetenv\b)", "the environment is read in app/config only", {}},
      {{"thread"}, R"(\bstd::j?thread\b)", "threads belong to runtime", {"runtime", "kernels"}},
      {{"sleep"},
       R"(\bsleep_for\b|\bsleep_until\b|\busleep\b)",
       "never block a thread to wait",
       {}},
      {{".stop()"},
       R"(\b(io|io_|context|context_|loop)\.stop\(\))",
       "a context ends when its work ends",
       {}},
      {{"TODO", "FIXME", "XXX"},
       R"(\bTODO\b|\bFIXME\b|\bXXX\b)",
       "no unfinished work in the sources",
       {}},
      {{"rand("}, R"(\brand\(\)|\bsrand\()", "randomness comes from crypto", {}},
      {{"/home/", "/work/", "/root/"}, R"(/home/|/work/|/root/)", "no paths of one machine", {}}};
  for (const auto& rule : banned) {
    const std::regex pattern(rule.pattern);
    for (const auto& source : product_sources()) {
      if (source.is_generated() || rule.allowed_in.contains(source.room())) continue;
      for (std::size_t i = 0; i < source.lines.size(); ++i)
        EXPECT_FALSE(holds_one_of(source.lines[i], rule.hints) &&
                     !source.lines[i].starts_with("//") &&
                     std::regex_search(source.lines[i], pattern))
            << source.path << ":" << i + 1 << ": " << rule.why;
    }
  }
}

// gcc 12 miscompiles a coroutine that awaits in a condition, `if (co_await f())`: its frame is
// freed twice or shifted. A named local, or `if (const auto x = co_await f(); x)`, is sound.
TEST(Form, NoConditionAwaits) {
  const std::regex condition(R"(\b(if|while|switch)\s*\((?![^;]*;)(?=.*co_await))");
  for (const auto& source : sources_under({"include", "src", "tests"})) {
    if (source.path.starts_with("tests/tidy/")) continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      const auto& line = source.lines[i];
      std::smatch found;
      if (line.find("co_await") == std::string::npos) continue;
      if (!std::regex_search(line, found, condition)) continue;
      // The condition ends where its parenthesis closes.
      std::size_t depth = 1, end = static_cast<std::size_t>(found.position() + found.length());
      for (; end < line.size() && depth > 0; ++end)
        depth += line[end] == '(' ? 1 : line[end] == ')' ? -1 : 0;
      const auto text = line.substr(static_cast<std::size_t>(found.position()),
                                    end - static_cast<std::size_t>(found.position()));
      EXPECT_EQ(text.find("co_await"), std::string::npos) << source.path << ":" << i + 1;
    }
  }
}

TEST(Form, SpawningStaysInTheRuntime) {
  const std::regex spawn(R"(\bco_spawn\()");
  for (const auto& source : product_sources()) {
    if (source.is_in("runtime") || source.is_in("app")) continue;
    // One awaited race against a time budget, in the reranking of a query.
    if (source.path == "src/cases/rerank/rerank.cpp") continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i)
      EXPECT_FALSE(holds_one_of(source.lines[i], {"co_spawn"}) &&
                   std::regex_search(source.lines[i], spawn))
          << source.path << ":" << i + 1;
  }
}

TEST(Form, ATenantIsMintedInOnePlace) {
  const std::regex mint(R"(\bTenant\(\s*(UserHash|hash))");
  for (const auto& source : product_sources())
    for (std::size_t i = 0; i < source.lines.size(); ++i)
      if (holds_one_of(source.lines[i], {"Tenant("}) && std::regex_search(source.lines[i], mint)) {
        EXPECT_EQ(source.room(), "pure/crypto") << source.path << ":" << i + 1;
      }
}

}  // namespace
}  // namespace memseal::tidy
