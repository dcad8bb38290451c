#pragma once
#include "pure/text/wordpiece.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace memseal::text {

/// How good the place between two tokens is for a cut. A greater value is better.
enum class Break : std::uint8_t {
  inside,     ///< within a word: the rest alone would get other tokens
  word,       ///< between words that touch: around punctuation, between ideographs
  space,
  sentence,   ///< after . ! ? and the like, including closing quotes
  line,
  paragraph,  ///< an empty line
};

/// For each token, how good a cut before it is. The first is `paragraph`.
/// `make_way`: see chunk().
std::vector<Break> breaks(const WordPiece& words, std::string_view document,
                          std::span<const Token> tokens, const std::function<void()>& make_way);

}  // namespace memseal::text
