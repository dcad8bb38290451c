// Compares with the Hugging Face library itself, through oracle.py.
#include "pure/text/internal/unicode_tables.hpp"
#include "pure/text/internal/word_reader.hpp"
#include "pure/text/wordpiece.hpp"
#include "vocabulary_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <sstream>

namespace memseal::text {
namespace {

namespace fs = std::filesystem;

std::string utf8_of(std::uint32_t point) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  const auto tail = [&](unsigned shift) { return byte(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {byte(0xE0 | point >> 12), tail(6), tail(0)};
  return {byte(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

bool is_scalar(std::uint32_t point) { return point < 0xD800 || point > 0xDFFF; }

void put(std::string& out, std::uint32_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

class Answers {
 public:
  explicit Answers(std::string bytes) : bytes_(std::move(bytes)) {}
  bool at_end() const { return at_ == bytes_.size(); }
  std::uint32_t number() {
    std::uint32_t value = 0;
    if (bytes_.size() - at_ < sizeof value) throw std::runtime_error("the answers end early");
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const std::uint32_t size = number();
    if (bytes_.size() - at_ < size) throw std::runtime_error("the answers end early");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

std::string show(const Token& token) {
  return " (" + std::to_string(token.id) + ", " + std::to_string(token.begin) + ", " +
         std::to_string(token.end) + ")";
}

class Oracle : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::bert()) GTEST_SKIP() << testing::no_vocabulary;
    const std::string probe = python() + " -c 'import tokenizers' 2>/dev/null";
    if (std::system(probe.c_str()) != 0) {
      GTEST_SKIP() << "needs the Python module tokenizers in .deps/venv: run scripts/deps --test";
    }
  }

  static Answers ask(const std::string& mode, const std::string& cases) {
    const fs::path in = fs::temp_directory_path() / ("memseal-cases-" + std::to_string(getpid()));
    const fs::path out = in.string() + ".answers";
    std::ofstream(in, std::ios::binary) << cases;
    const std::string command = python() + " '" MEMSEAL_SOURCE_DIR "/tests/unit/text/oracle.py' " +
                                mode + " '" + testing::vocabulary_path()->string() + "' '" +
                                in.string() + "' '" + out.string() + "'";
    const int status = std::system(command.c_str());
    Answers answers(testing::file_content(out));
    fs::remove(in);
    fs::remove(out);
    if (status != 0) throw std::runtime_error("oracle.py failed");
    return answers;
  }

  static std::string python() { return "'" MEMSEAL_SOURCE_DIR "/.deps/venv/bin/python'"; }

  static void expect_same_tokens(const std::vector<std::string>& texts) {
    std::string cases;
    for (const auto& text : texts) put(cases, text);
    Answers answers = ask("tokens", cases);
    int wrong = 0;
    for (const auto& text : texts) {
      std::vector<Token> expected(answers.number()), got;
      for (auto& token : expected) {
        token.id = static_cast<std::int32_t>(answers.number());
        token.begin = answers.number();
        token.end = answers.number();
      }
      testing::bert()->encode(text, got);
      if (got == expected) continue;
      const auto [ours, theirs] =
          std::mismatch(got.begin(), got.end(), expected.begin(), expected.end());
      ADD_FAILURE() << "token " << ours - got.begin() << (ours == got.end() ? "" : show(*ours))
                    << (theirs == expected.end() ? "" : show(*theirs)) << " of "
                    << ::testing::PrintToString(text);
      ASSERT_LT(++wrong, 20);
    }
    EXPECT_TRUE(answers.at_end());
  }
};

std::string words_of(std::string_view text) {
  std::string out;
  Word word;
  for (std::size_t at = 0; at < text.size();) {
    at = read_word(text, at, word);
    if (word.chars == 0) continue;
    if (!out.empty()) out += '\0';
    out.append(word.bytes.data(), word.size);
  }
  return out;
}

TEST_F(Oracle, CleansAndSplitsEveryUnicodeCharacterAlike) {
  std::string cases;
  const auto text_with = [](std::uint32_t point) {
    return "A" + utf8_of(point) + "b" + utf8_of(point) + utf8_of(point) + " " + utf8_of(point);
  };
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    if (is_scalar(point)) put(cases, text_with(point));
  }
  Answers answers = ask("words", cases);
  int wrong = 0;
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    if (!is_scalar(point)) continue;
    const std::string expected = answers.text(), got = words_of(text_with(point));
    EXPECT_EQ(got, expected) << "U+" << std::hex << point;
    ASSERT_LT(wrong += got != expected, 20);
  }
  EXPECT_TRUE(answers.at_end());
}

TEST_F(Oracle, GivesEveryUnicodeCharacterTheSameTokens) {
  std::vector<std::string> texts;
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    if (is_scalar(point)) texts.push_back(utf8_of(point) + " s" + utf8_of(point) + "e");
  }
  expect_same_tokens(texts);
}

// Words of the vocabulary, in any script, glued, broken, accented and littered with characters
// from everywhere.
class Mixer {
 public:
  explicit Mixer(std::uint64_t seed) : random_(seed) {
    std::istringstream lines(testing::file_content(*testing::vocabulary_path()));
    for (std::string line; std::getline(lines, line);) vocabulary_.push_back(line);
  }

  std::string text(std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += piece();
    return out;
  }

  std::string words(std::size_t count) {
    std::string out;
    for (std::size_t at = 0; at < count; ++at) out += vocabulary_[1996 + below(20'000)] + " ";
    return out;
  }

  std::size_t below(std::size_t end) { return random_() % end; }

 private:
  std::string piece() {
    switch (below(12)) {
      case 0: return std::string(1 + below(3), static_cast<char>(below(0x80)));
      case 1: return utf8_of(static_cast<std::uint32_t>(0x80 + below(0x700)));
      case 2: return utf8_of(static_cast<std::uint32_t>(0x300 + below(0x70)));
      case 3: return utf8_of(symbol());
      case 4: return utf8_of(scalar());
      case 5: return ". ";
      case 6: return upper(word());
      case 7: return word() + utf8_of(static_cast<std::uint32_t>(0xAC00 + below(11'172)));
      case 8: return below(40) ? word() : std::string(90 + below(20), 'q');
      default: return word() + " ";
    }
  }

  std::uint32_t scalar() {
    const auto point = static_cast<std::uint32_t>(below(2) ? below(0x110000) : below(0x12000));
    return is_scalar(point) ? point : 0xFFFD;
  }

  // Not U+302E and U+302F, which the library moves before removed marks: the token is the same,
  // but is said to begin at those.
  std::uint32_t symbol() {
    const auto point = static_cast<std::uint32_t>(0x2000 + below(0x2000));
    return point == 0x302E || point == 0x302F ? 0x2603 : point;
  }

  std::string word() {
    const std::string& token = vocabulary_[below(vocabulary_.size())];
    return token.starts_with("##") ? token.substr(2) : token;
  }

  static std::string upper(std::string word) {
    for (char& c : word) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return word;
  }

  std::mt19937_64 random_;
  std::vector<std::string> vocabulary_;
};

TEST_F(Oracle, GivesMegabytesOfMixedScriptsTheSameTokens) {
  Mixer mixer(20);
  std::vector<std::string> texts;
  for (int at = 0; at < 4'000; ++at) texts.push_back(mixer.text(1 + mixer.below(1'000)));
  texts.push_back(mixer.text(500'000));
  expect_same_tokens(texts);
}

TEST_F(Oracle, TruncatesPairsAlike) {
  Mixer mixer(21);
  struct Case {
    std::string a, b;
    std::uint32_t tokens_max;
  };
  std::vector<Case> all;
  const std::size_t sizes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 20, 30};
  for (std::uint32_t tokens_max = 3; tokens_max < 24; ++tokens_max) {
    for (const std::size_t a : sizes) {
      for (const std::size_t b : sizes) {
        all.push_back({mixer.words(a), mixer.words(b), tokens_max});
      }
    }
  }
  for (int at = 0; at < 2'000; ++at) {
    all.push_back({mixer.text(mixer.below(200)), mixer.text(mixer.below(2'000)),
                   static_cast<std::uint32_t>(3 + mixer.below(510))});
  }
  std::string cases;
  for (const auto& [a, b, tokens_max] : all) {
    put(cases, a);
    put(cases, b);
    put(cases, tokens_max);
  }
  Answers answers = ask("pairs", cases);
  for (const auto& [a, b, tokens_max] : all) {
    const std::size_t count = answers.number();
    std::vector<std::int32_t> ids;
    for (std::size_t at = 0; at < count; ++at) {
      ids.push_back(static_cast<std::int32_t>(answers.number()));
    }
    std::size_t segment_b = 0;
    for (std::size_t at = 0; at < count; ++at) segment_b += answers.number() == 0;
    const TokenPair pair = testing::bert()->encode_pair(a, b, tokens_max);
    ASSERT_EQ(pair.ids, ids) << a << "\n" << b << "\n" << tokens_max;
    ASSERT_EQ(pair.segment_b, segment_b);
  }
  EXPECT_TRUE(answers.at_end());
}

}  // namespace
}  // namespace memseal::text
