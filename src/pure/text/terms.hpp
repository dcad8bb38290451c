#pragma once
// The words by which a text can be found: what a lexical index counts.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::text {

/// Moves when the same text gets other terms, so that what is stored of it must be made again.
inline constexpr std::uint8_t terms_version = 1;
/// Distinct terms of one text, and distinct words of one question. Further ones are left out.
inline constexpr std::size_t terms_max = 1'024, asked_words_max = 32;

struct Term {
  std::string text;         ///< UTF-8, in lower case, without accents; perhaps a stem
  std::uint32_t count = 0;  ///< how often the text has it
  friend bool operator==(const Term&, const Term&) = default;
};

struct Terms {
  std::vector<Term> distinct;  ///< in the order of their bytes
  std::uint32_t words = 0;     ///< the length of the text: the sum of all counts
};

/// The terms of a stored text. Words are those of the tokenizer, without punctuation; an ideograph
/// is a word. Of a text that looks English the stop words are left out and the others reduced to
/// their stems (Snowball's "english").
/// Any bytes are allowed; ill-formed UTF-8 is read as WordPiece reads it. Linear in their number.
/// Thread: any. Throws std::bad_alloc only.
Terms terms_of(std::string_view utf8);

/// One word of a question. A text has the word if it has any of these terms.
using AskedWord = std::vector<std::string>;

/// The distinct words of a question, in their order, without English stop words. Each stands as it
/// is written and as its English stem, because a question is too short to tell its language.
/// Thread: any.
std::vector<AskedWord> asked_words_of(std::string_view utf8);

}  // namespace memseal::text
