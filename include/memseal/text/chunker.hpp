#pragma once
#include "memseal/base/limits.hpp"
#include "memseal/text/wordpiece.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::text {

/// How a document is cut. Sizes are tokens of the embedder's own vocabulary, specials excluded.
struct ChunkRules {
  std::size_t tokens = limits::chunk_tokens_default;  ///< most tokens of one chunk
  std::size_t overlap = 0;                            ///< tokens repeated from the chunk before
};

/// A piece of one document, ready to embed.
struct Chunk {
  std::int32_t index = 0;             ///< 0, 1, 2… within the document
  std::int32_t char_start = 0;        ///< offsets in code points of the whole document,
  std::int32_t char_end = 0;          ///< end exclusive
  std::string text;                   ///< exactly the document's characters [start, end)
  std::vector<std::int32_t> tokens;   ///< its token ids, without [CLS] and [SEP]
};

/// Cuts `document` (well-formed UTF-8) at the best boundary that fits: paragraph, line, sentence,
/// space; never inside a code point. Chunks cover every token of the document in order; white
/// space at their edges is left out. A document without a token gives no chunk.
/// Each chunk's text is at most limits::seal_bytes_max bytes.
std::vector<Chunk> chunk(const WordPiece& words, std::string_view document,
                         const ChunkRules& rules);

}  // namespace memseal::text
