#include "pure/text/terms.hpp"

#include "pure/codec/utf8_decode.hpp"
#include "pure/text/internal/stop_words.hpp"
#include "pure/text/internal/unicode_tables.hpp"
#include "pure/text/internal/word_reader.hpp"

#include <libstemmer.h>

#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>

namespace memseal::text {

namespace {

// A stem has at most as many bytes as its word, and longer words are names of something else.
constexpr std::size_t stemmed_bytes_min = 3, stemmed_bytes_max = 48;
// A text of fewer words is taken for English unless its letters say otherwise.
constexpr std::size_t judged_words_min = 12;

/// What the words of a text tell of its language.
struct LanguageSigns {
  std::size_t words = 0;  ///< of letters alone
  std::size_t stop_words = 0, foreign = 0;

  // Of English prose two words in five are stop words; of other languages fewer than one in ten
  // looks like one.
  bool looks_english() const {
    if (foreign * 10 > words) return false;
    return words < judged_words_min || stop_words * 7 >= words;
  }
};

struct FoundWord {
  std::string text;
  bool is_plain = false;  ///< made of a to z alone
};

bool is_ascii(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](char byte) { return static_cast<unsigned char>(byte) < 0x80; });
}

bool is_plain(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

/// A sign of punctuation is a word of the tokenizer's too, but no term.
bool is_punctuation(const Word& word) {
  if (word.chars != 1) return false;
  const auto [point, size] = codec::decode_code_point({word.bytes.data(), word.size}, 0);
  const auto code = unicode::code_of(point);
  return code == unicode::punctuation;
}

/// Calls `take` with each word, until it returns false.
template <class Take>
void each_word(std::string_view text, LanguageSigns& signs, Take take) {
  Word word;
  for (std::size_t at = 0; at < text.size();) {
    at = read_word(text, at, word);
    if (word.chars == 0 || is_punctuation(word)) continue;
    FoundWord found{std::string(word.bytes.data(), word.size), false};
    // Accents are gone from the word, and stand in its source only.
    const bool is_foreign = !is_ascii(text.substr(word.begin, word.end - word.begin));
    found.is_plain = !is_foreign && is_plain(found.text);
    if (is_foreign || found.is_plain) ++signs.words;
    if (is_foreign) ++signs.foreign;
    if (found.is_plain && is_stop_word(found.text)) ++signs.stop_words;
    if (!take(std::move(found))) return;
  }
}

struct StemmerEnd {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};

/// The stem of a word of a to z. A stemmer keeps its last word, so each thread has its own.
std::string stem_of(const std::string& word) {
  if (word.size() < stemmed_bytes_min || word.size() > stemmed_bytes_max) return word;
  thread_local const std::unique_ptr<sb_stemmer, StemmerEnd> stemmer(
      sb_stemmer_new("english", "UTF_8"));
  if (!stemmer) throw std::bad_alloc();
  const auto* bytes = reinterpret_cast<const sb_symbol*>(word.data());
  const auto* stem = sb_stemmer_stem(stemmer.get(), bytes, static_cast<int>(word.size()));
  if (stem == nullptr) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(stem),
          static_cast<std::size_t>(sb_stemmer_length(stemmer.get()))};
}

/// The term of a word in a text; nothing for one that is left out.
std::optional<std::string> term_of(const FoundWord& word, bool english) {
  if (!english || !word.is_plain) return word.text;
  if (is_stop_word(word.text)) return std::nullopt;
  return stem_of(word.text);
}

}  // namespace

Terms terms_of(std::string_view utf8) {
  LanguageSigns signs;
  std::vector<FoundWord> words;
  each_word(utf8, signs, [&](FoundWord word) {
    words.push_back(std::move(word));
    return true;
  });
  const bool english = signs.looks_english();
  std::map<std::string, std::uint32_t> counts;
  Terms terms;
  for (const auto& word : words) {
    auto term = term_of(word, english);
    if (!term) continue;
    const auto known = counts.find(*term);
    if (known == counts.end() && counts.size() == terms_max) continue;
    ++(known == counts.end() ? counts[std::move(*term)] : known->second);
    ++terms.words;
  }
  terms.distinct.reserve(counts.size());
  for (const auto& [text, count] : counts) terms.distinct.push_back({text, count});
  return terms;
}

std::vector<AskedWord> asked_words_of(std::string_view utf8) {
  LanguageSigns signs;
  std::vector<AskedWord> asked;
  std::set<std::string> seen;  // of stems, so that two forms of a word count once
  each_word(utf8, signs, [&](FoundWord word) {
    if (word.is_plain && is_stop_word(word.text)) return true;
    auto stem = word.is_plain ? stem_of(word.text) : word.text;
    if (!seen.insert(stem).second) return true;
    AskedWord forms{stem};
    if (word.text != stem) forms.push_back(std::move(word.text));
    asked.push_back(std::move(forms));
    return asked.size() < asked_words_max;
  });
  return asked;
}

}  // namespace memseal::text
