#pragma once
#include "base/limits.hpp"
#include "pure/text/wordpiece.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::text {

/// How a document is cut. Sizes are tokens of the embedder's own vocabulary, specials excluded.
struct ChunkRules {
  std::size_t tokens = limits::chunk_tokens_default;  ///< most tokens of one chunk, >= 1
  std::size_t overlap = 0;  ///< most tokens repeated from the chunk before; half of `tokens` is
                            ///< the most that is done
};

/// A piece of one document, ready to embed.
struct Chunk {
  std::int32_t index = 0;             ///< 0, 1, 2… within the document
  std::int32_t char_start = 0;        ///< offsets in code points of the whole document,
  std::int32_t char_end = 0;          ///< end exclusive
  std::string text;                   ///< exactly the document's characters [start, end)
  std::vector<std::int32_t> tokens;   ///< its token ids, without [CLS] and [SEP]
};

/// Cuts `document` (well-formed UTF-8, below 2 GiB) at the best boundary that fits: paragraph,
/// line, sentence, space, then between words that touch; never inside a code point. A chunk is
/// filled at least half where its words allow, and of equally good boundaries the last is taken.
/// Chunks cover every token of the document in order; white space at their edges is left out.
/// A document without a token gives no chunk. Each chunk's text is at most limits::seal_bytes_max
/// bytes. An overlap begins at a word, so it may be shorter than asked for, even empty.
///
/// Tokenising a chunk's text gives its tokens again, unless a word had to be cut: one of more
/// than rules.tokens tokens, or of more than seal_bytes_max bytes (then each piece is tokenised
/// for itself).
/// Time and memory are linear in the document's size.
std::vector<Chunk> chunk(const WordPiece& words, std::string_view document,
                         const ChunkRules& rules);

}  // namespace memseal::text
