#pragma once
#include "pure/text/wordpiece.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace memseal::text {

/// How good a place between two tokens is to cut a document; a greater one is better.
enum class Break : std::uint8_t {
  inside,     ///< within a word: the rest would be tokenised otherwise
  word,       ///< between words that touch: around punctuation, between ideographs
  space,
  sentence,   ///< after . ! ? and their kin, closing quotes included
  line,
  paragraph,  ///< an empty line
};

/// By token: how good a cut before it is. The first is `paragraph`.
std::vector<Break> breaks(const WordPiece& words, std::string_view document,
                          std::span<const Token> tokens);

}  // namespace memseal::text
