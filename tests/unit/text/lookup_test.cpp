// The tables that make the tokenizer fast, against plain ways to do the same.
#include "pure/text/internal/ascii_words.hpp"
#include "pure/text/internal/byte_trie.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace memseal::text {
namespace {

std::string bytes_of(const AsciiRun& run) {
  char bytes[16];
  std::memcpy(bytes, &run.first, 8);
  std::memcpy(bytes + 8, &run.second, 8);
  return {bytes, sizeof bytes};
}

// The run as its definition says: lower-case letters and digits, then zeros.
std::string plain_run(const std::string& window) {
  std::string out;
  for (const char c : window) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (!((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9'))) break;
    out += lower;
  }
  return out;
}

void expect_run(const AsciiRun& run, const std::string& expected) {
  ASSERT_EQ(run.size, expected.size());
  ASSERT_EQ(bytes_of(run), expected + std::string(16 - expected.size(), '\0'));
}

TEST(AsciiRun, KnowsEveryByteAtEveryPlace) {
  for (std::size_t place = 0; place < AsciiRun::window; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string window = "aZ09zAmN5tT8qQ1b";
      window[place] = static_cast<char>(byte);
      const std::string expected = plain_run(window);
      expect_run(AsciiRun::of(window.data()), expected);
      expect_run(AsciiRun::of_words(window.data()), expected);
      expect_run(AsciiRun::read(window), expected);
    }
  }
}

TEST(AsciiRun, ReadsNothingPastTheEndOfAShortText) {
  const std::string text = "abcdefghijklmnop";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    expect_run(AsciiRun::read(std::string_view(text).substr(0, size)), text.substr(0, size));
  }
}

TEST(AsciiWords, FindsItsWordsAndNoOthers) {
  std::mt19937_64 random(3);
  std::vector<AsciiWords::Entry> entries;
  const auto word = [&] {
    std::string out;
    const std::size_t size = 1 + random() % AsciiWords::bytes_max;
    for (std::size_t at = 0; at < size; ++at) out += static_cast<char>('a' + random() % 3);
    return out;
  };
  std::map<std::string, std::int32_t> ids;
  for (std::int32_t id = 0; id < 5'000; ++id) {
    const std::string made = word();
    if (ids.emplace(made, id).second) entries.push_back({AsciiRun::read(made), id});
  }
  const AsciiWords words(entries), empty({});
  for (int round = 0; round < 20'000; ++round) {
    const std::string asked = word();
    const auto found = ids.find(asked);
    EXPECT_EQ(words.find(AsciiRun::read(asked)),
              found == ids.end() ? AsciiWords::none : found->second);
    EXPECT_EQ(empty.find(AsciiRun::read(asked)), AsciiWords::none);
  }
}

TEST(ByteTrie, FindsTheLongestKey) {
  const ByteTrie trie({{"a", 0}, {"abc", 1}, {"abcde", 2}, {"b\xFF", 3}, {"\x01", 4}});
  const auto longest = [&](std::string_view text) {
    const auto match = trie.longest(text.data(), text.size());
    return std::pair(match.value, match.size);
  };
  EXPECT_EQ(longest("abcd"), std::pair(1, std::size_t{3}));
  EXPECT_EQ(longest("abcdef"), std::pair(2, std::size_t{5}));
  EXPECT_EQ(longest("ab"), std::pair(0, std::size_t{1}));
  EXPECT_EQ(longest("b"), std::pair(ByteTrie::none, std::size_t{0}));
  EXPECT_EQ(longest("b\xFF\xFF"), std::pair(3, std::size_t{2}));
  EXPECT_EQ(longest("\x01"), std::pair(4, std::size_t{1}));
  EXPECT_EQ(longest(""), std::pair(ByteTrie::none, std::size_t{0}));
  EXPECT_EQ(ByteTrie().longest("a", 1).value, ByteTrie::none);
}

TEST(ByteTrie, AgreesWithAMapOfRandomKeys) {
  std::mt19937_64 random(4);
  for (const unsigned letters : {2u, 26u, 255u}) {
    std::map<std::string, std::int32_t> map;
    const auto word = [&] {
      std::string out;
      const std::size_t size = 1 + random() % 8;
      for (std::size_t at = 0; at < size; ++at) out += static_cast<char>(1 + random() % letters);
      return out;
    };
    for (std::int32_t id = 0; id < 3'000; ++id) map[word()] = id;
    const ByteTrie trie({map.begin(), map.end()});
    for (int round = 0; round < 10'000; ++round) {
      const std::string text = word() + word();
      ByteTrie::Match expected;
      for (std::size_t size = 1; size <= text.size(); ++size) {
        const auto found = map.find(text.substr(0, size));
        if (found != map.end()) expected = {found->second, size};
      }
      const ByteTrie::Match match = trie.longest(text.data(), text.size());
      ASSERT_EQ(match.value, expected.value);
      ASSERT_EQ(match.size, expected.size);
    }
  }
}

}  // namespace
}  // namespace memseal::text
