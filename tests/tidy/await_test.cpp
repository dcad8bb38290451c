// What gcc 12 miscompiles in a coroutine, so that the sources do without it.
#include "code_text.hpp"
#include "sources.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <optional>
#include <string_view>

namespace memseal::tidy {
namespace {

constexpr std::string_view blanks = " \n";

// Drops blanks and, where it stands there, `word` from the end of `text`.
std::string_view without(std::string_view text, std::string_view word) {
  text = text.substr(0, text.find_last_not_of(blanks) + 1);
  if (text.ends_with(word)) text.remove_suffix(word.size());
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

// What stands between the brackets of the lambda whose body the brace after `before` opens: [..],
// [..](..), [..](..) -> T. Nothing where the brace opens something else.
std::optional<std::string_view> captures_of(std::string_view before) {
  if (const auto arrow = before.rfind("->"); arrow != std::string_view::npos &&
                                             before.find_first_of("(){};,", arrow) ==
                                                 std::string_view::npos)
    before = before.substr(0, arrow);
  before = without(without(before, "noexcept"), "mutable");
  if (before.ends_with(')')) {
    int depth = 0;
    auto i = before.size();
    do {
      --i;
      depth += before[i] == ')' ? 1 : before[i] == '(' ? -1 : 0;
    } while (depth > 0 && i > 0);
    before = without(before.substr(0, i), "");
  }
  if (!before.ends_with(']')) return std::nullopt;
  int depth = 0;
  auto begin = before.size();
  do {
    --begin;
    depth += before[begin] == ']' ? 1 : before[begin] == '[' ? -1 : 0;
  } while (depth > 0 && begin > 0);
  return before.substr(begin + 1, before.size() - begin - 2);
}

// Whether a closure with these captures holds a value of its own. It then has something to destroy.
bool holds_a_value(std::string_view captures) {
  int depth = 0;
  bool begins = true;
  for (std::size_t i = 0; i < captures.size(); ++i) {
    const char c = captures[i];
    if (depth == 0 && begins && blanks.find(c) == blanks.npos) {
      begins = false;
      const auto rest = captures.substr(i);
      if (c != '&' && without(rest.substr(0, rest.find(',')), "") != "this") return true;
    }
    depth += c == '(' || c == '{' || c == '[' ? 1 : c == ')' || c == '}' || c == ']' ? -1 : 0;
    if (depth == 0 && c == ',') begins = true;
  }
  return false;
}

std::size_t after_block(std::string_view code, std::size_t brace) {
  int depth = 0;
  for (auto i = brace; i < code.size(); ++i) {
    depth += code[i] == '{' ? 1 : code[i] == '}' ? -1 : 0;
    if (depth == 0) return i + 1;
  }
  return code.size();
}

/// Lines, from 1, of the braced temporaries inside the operands of co_await.
std::vector<std::size_t> braced_in_awaits(const std::vector<std::string>& lines) {
  const auto text = code_of(lines);
  const std::string_view code = text;
  std::vector<std::size_t> found;
  for (auto at = code.find("co_await"); at != code.npos; at = code.find("co_await", at + 1)) {
    int depth = 0;
    for (auto i = at; i < code.size() && depth >= 0;) {
      const char c = code[i];
      if (c == '}' || ((c == ';' || c == ',') && depth == 0)) break;
      depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
      const auto captures = c == '{' ? captures_of(code.substr(0, i)) : std::nullopt;
      if (c == '{' && (!captures || holds_a_value(*captures))) {
        const auto before = code.substr(0, i);
        const auto lines_before = std::count(before.begin(), before.end(), '\n');
        found.push_back(1 + static_cast<std::size_t>(lines_before));
      }
      i = c == '{' ? after_block(code, i) : i + 1;
    }
  }
  return found;
}

// gcc 12 destroys a braced temporary in the operand of co_await twice: f({..}), f(T{..}), and so it
// does with a lambda that holds a value: f([x] {..}). A named local is sound. The rule holds for
// every type, because a type that is trivially destructible today may get a string tomorrow. A
// lambda that holds references or `this` has nothing to destroy.
TEST(Await, NoOperandHoldsABracedTemporary) {
  std::size_t awaits = 0;
  for (const auto& source : sources_under({"include", "src", "tests", "bench"})) {
    if (source.path.starts_with("tests/tidy/")) continue;
    for (const auto& line : source.lines) awaits += line.find("co_await") != std::string::npos;
    for (const auto line : braced_in_awaits(source.lines))
      ADD_FAILURE() << source.path << ":" << line << ": name the object before co_await";
  }
  EXPECT_GT(awaits, 300u);
}

TEST(Await, ABracedTemporaryIsFoundWhereverItStands) {
  const std::vector<std::string> lines{
      "co_await f({1, 2});",                              // 1
      "x = co_await f(a, T{1});",                         // 2
      "co_await f(",                                      // 3
      "    std::vector<std::string>{});",                 // 4
      "co_await f([&] { return T{1}; });",                // 5: sound
      "co_await f([&x = y](int z) mutable { g(z); });",   // 6: sound
      "co_await f([](int) -> T { return {}; });",         // 7: sound
      "co_await f([] { g(); }, {1});",                    // 8
      "const T t{co_await f(), 1};",                      // 9: sound
      "if (x) { co_await f(y); } T z{1};",                // 10: sound
      "co_await f(\"{\", '{', 1'000);  // {",             // 11: sound
      "co_await (f() && g(U{}));",                        // 12
      "co_await f([x = h(a, b)](int y) { g(y); });",      // 13
      "co_await f([&a, x]() mutable { g(x); });",         // 14
      "co_await f([this, &x] { g(x); });",                // 15: sound
      "co_await f([&x = h(a, b), this] { g(x); });"};     // 16: sound
  EXPECT_EQ(braced_in_awaits(lines), (std::vector<std::size_t>{1, 2, 4, 8, 12, 13, 14}));
}

}  // namespace
}  // namespace memseal::tidy
