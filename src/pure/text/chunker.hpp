#pragma once
#include "base/limits.hpp"
#include "pure/text/settings.hpp"
#include "pure/text/wordpiece.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::text {

/// How a document is cut. Sizes are tokens of the embedder's own vocabulary, specials excluded.
struct ChunkRules {
  std::size_t tokens = limits::chunk_tokens_default;  ///< most tokens of one chunk, >= 1
  /// Most tokens repeated from the previous chunk; at most half of `tokens` takes effect.
  std::size_t overlap = chunk_overlap_default;
};

/// A piece of one document, ready to embed.
struct Chunk {
  std::int32_t index = 0;            ///< 0, 1, 2… within the document
  std::int32_t char_start = 0;       ///< offsets in code points of the whole document,
  std::int32_t char_end = 0;         ///< end exclusive
  std::string text;                  ///< exactly the document's characters [start, end)
  std::vector<std::int32_t> tokens;  ///< token ids of the text, without [CLS] and [SEP]
  std::size_t byte_start = 0;        ///< offset of the text in bytes of the whole document
};

/// Cuts `document` at the best boundary that fits a chunk: paragraph, line, sentence, space, then
/// between words that touch. Never cuts inside a code point.
/// REQUIRES: `document` is well-formed UTF-8 and smaller than 2 GiB.
/// A chunk is at least half full where its words allow. Of equally good boundaries the last counts.
/// Chunks cover every token of the document, in order. They leave out white space at their edges.
/// A document without a token has no chunk. A chunk's text has at most limits::seal_bytes_max
/// bytes. An overlap begins at a word, so it may be shorter than asked for, even empty.
/// Tokenising a chunk's text gives its tokens again, unless a word had to be cut because it has
/// more than rules.tokens tokens or more than seal_bytes_max bytes. The pieces of a word that is
/// too long in bytes are tokenised one by one.
/// Time and memory are linear in the document's size.
/// A document of more than `chunks_max` chunks is read no further than that is certain: what is
/// returned is then its first chunks_max + 1 chunks, of which the last may be cut short.
/// `make_way` is called every few milliseconds, unless the text has neither space, line end nor
/// sign for a long time.
std::vector<Chunk> chunk(const WordPiece& words, std::string_view document, const ChunkRules& rules,
                         const std::function<void()>& make_way = [] {},
                         std::size_t chunks_max = SIZE_MAX);

}  // namespace memseal::text
