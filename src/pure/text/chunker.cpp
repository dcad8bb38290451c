#include "pure/text/chunker.hpp"

#include "base/assert.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/codec/utf8_decode.hpp"
#include "pure/text/internal/breaks.hpp"
#include "pure/text/internal/unicode_tables.hpp"

#include <algorithm>
#include <limits>

namespace memseal::text {
namespace {

constexpr std::size_t bytes_max = limits::seal_bytes_max;
// Between two calls of make_way: about two milliseconds each.
constexpr std::size_t slice_bytes = 256u << 10, chunks_at_once = 256;

// The end of the longest piece of `text` from `at` that fits a chunk and ends between code points.
std::size_t piece_end(std::string_view text, std::size_t at) {
  if (text.size() - at <= bytes_max) return text.size();
  std::size_t end = at + bytes_max;
  const auto splits = [&] { return (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; };
  // A code point has at most three continuation bytes. The bound ends the loop on ill-formed text.
  for (int steps = 0; steps < 3 && splits(); ++steps) --end;
  return end;
}

// Where to end the slice of `document` from `at`: before a space or a line end, because no token
// reaches across one, and what follows it is read as before. The same holds of signs.
std::size_t slice_end(std::string_view document, std::size_t at) {
  constexpr std::string_view spaces = " \n", all = " \n!\"#$%&'*+,-./:;=?_|";
  if (document.size() - at <= slice_bytes) return document.size();
  const auto slice = document.substr(at, slice_bytes + 1);
  for (const auto ends : {spaces, all})
    if (const auto back = slice.find_last_of(ends); back != slice.npos && back > 0)
      return at + back;
  return std::min(document.find_first_of(all, at + slice_bytes), document.size());
}

std::vector<Token> encode_in_slices(const WordPiece& words, std::string_view document,
                                    std::size_t tokens_max,
                                    const std::function<void()>& make_way) {
  std::vector<Token> tokens;
  for (std::size_t at = 0; at < document.size() && tokens.size() <= tokens_max;) {
    const auto end = slice_end(document, at), first = tokens.size();
    words.encode(document.substr(at, end - at), tokens);
    for (auto one = first; at > 0 && one < tokens.size(); ++one) {
      tokens[one].begin += static_cast<std::uint32_t>(at);
      tokens[one].end += static_cast<std::uint32_t>(at);
    }
    at = end;
    if (at < document.size()) make_way();
  }
  return tokens;
}

// The document's tokens. No token comes from more bytes than a chunk may have, because a longer
// word is cut into pieces that are tokenised one by one.
// Of a document with more than `tokens_max` tokens the rest may be left out.
std::vector<Token> tokenise(const WordPiece& words, std::string_view document,
                            std::size_t tokens_max, const std::function<void()>& make_way) {
  auto tokens = encode_in_slices(words, document, tokens_max, make_way);
  std::vector<Token> out;
  const auto is_long = [](const Token& token) { return token.end - token.begin > bytes_max; };
  // Such a token is a word of very many characters, or one with very many accents, which make no
  // token but belong to the word.
  if (std::none_of(tokens.begin(), tokens.end(), is_long)) return tokens;
  for (const Token& token : tokens) {
    if (!is_long(token)) {
      out.push_back(token);
      continue;
    }
    const std::string_view word = document.substr(0, token.end);
    for (std::size_t at = token.begin; at < word.size();) {
      const std::size_t end = piece_end(word, at), first = out.size();
      words.encode(word.substr(at, end - at), out);
      for (std::size_t piece = first; piece < out.size(); ++piece) {
        // The piece was tokenised by itself, so its offsets count from its own start.
        out[piece].begin += static_cast<std::uint32_t>(at);
        out[piece].end += static_cast<std::uint32_t>(at);
      }
      at = end;
    }
  }
  return out;
}

class Cutter {
 public:
  Cutter(const WordPiece& words, std::string_view document, const ChunkRules& rules,
         const std::function<void()>& make_way, std::size_t chunks_max)
      : document_(document),
        make_way_(make_way),
        chunks_max_(chunks_max),
        tokens_max_(rules.tokens),
        overlap_(std::min(rules.overlap, rules.tokens / 2)),
        tokens_(tokenise(words, document, tokens_of(chunks_max, rules.tokens), make_way)),
        breaks_(breaks(words, document, tokens_, make_way)) {}

  std::vector<Chunk> run() {
    // Chunk by chunk: [first, end) are its tokens, of which [first, done) repeat the chunk before.
    // Every round moves `done`, because a chunk holds at least one new token.
    for (std::size_t first = 0, done = 0; done < tokens_.size() && !has_too_many();) {
      std::size_t limit = last_that_fits(first);
      if (limit <= done) {  // The overlap fills the chunk, so begin without it.
        first = done;
        limit = last_that_fits(first);
      }
      const std::size_t end = limit == tokens_.size() ? limit : best_cut(done, limit);
      add(first, end);
      if (chunks_.size() % chunks_at_once == 0) make_way_();
      done = end;
      first = repeat_from(first, end);
    }
    return std::move(chunks_);
  }

 private:
  // More tokens than these are more chunks.
  static std::size_t tokens_of(std::size_t chunks, std::size_t tokens_each) {
    return chunks > SIZE_MAX / tokens_each ? SIZE_MAX : chunks * tokens_each;
  }

  bool has_too_many() const noexcept { return chunks_.size() > chunks_max_; }

  std::size_t last_that_fits(std::size_t first) const {
    std::size_t end = std::min(first + tokens_max_, tokens_.size());
    // Ends at one token at the latest, because tokenise() made none with more bytes.
    while (tokens_[end - 1].end - tokens_[first].begin > bytes_max) --end;
    return end;
  }

  // Where to cut the new tokens (done, limit]. First choice: the last of the best boundaries in the
  // second half. Second choice: the last end of a word in the first half. Only when no word ends
  // at all, cut inside one.
  std::size_t best_cut(std::size_t done, std::size_t limit) const {
    const std::size_t half = done + (limit - done + 1) / 2;
    std::size_t best = limit;
    for (std::size_t at = limit; at-- > half;) {
      if (breaks_[at] > breaks_[best]) best = at;
    }
    for (std::size_t at = half; breaks_[best] == Break::inside && at-- > done + 1;) {
      if (breaks_[at] > Break::inside) best = at;
    }
    return best;
  }

  // Where the chunk after [first, end) begins: as far back as the overlap allows, at a word, and at
  // a space rather than between words that touch.
  std::size_t repeat_from(std::size_t first, std::size_t end) const {
    // Behind `first`, so that two chunks never begin at the same token.
    const std::size_t earliest = std::max(first + 1, end - std::min(overlap_, end));
    for (const Break wanted : {Break::space, Break::word}) {
      for (std::size_t at = earliest; at < end; ++at) {
        if (breaks_[at] >= wanted) return at;
      }
    }
    return end;
  }

  // Accents and joiners make no token. Include those that follow the last token, because the text
  // of a chunk must be the author's.
  std::size_t with_marks(std::size_t begin, std::size_t last) const {
    std::size_t end = tokens_[last].end;
    const std::size_t stop = last + 1 < tokens_.size() ? tokens_[last + 1].begin : document_.size();
    while (end < stop) {
      const auto [point, size] = codec::decode_code_point(document_, end);
      const bool is_mark = point >= 0xA0 && unicode::code_of(point) == unicode::drop;
      if (!is_mark || end + size - begin > bytes_max) break;
      end += size;
    }
    return end;
  }

  void add(std::size_t first, std::size_t end) {
    const std::size_t begin = tokens_[first].begin;
    Chunk chunk;
    chunk.index = static_cast<std::int32_t>(chunks_.size());
    chunk.text = document_.substr(begin, with_marks(begin, end - 1) - begin);
    // Counts on from the chunk before. Counting from the start of the document each time would be
    // quadratic.
    chars_ += codec::count_code_points(document_.substr(bytes_, begin - bytes_));
    bytes_ = begin;
    chunk.byte_start = begin;
    chunk.char_start = static_cast<std::int32_t>(chars_);
    chunk.char_end =
        chunk.char_start + static_cast<std::int32_t>(codec::count_code_points(chunk.text));
    chunk.tokens.reserve(end - first);
    for (std::size_t at = first; at < end; ++at) chunk.tokens.push_back(tokens_[at].id);
    chunks_.push_back(std::move(chunk));
  }

  std::string_view document_;
  const std::function<void()>& make_way_;
  const std::size_t chunks_max_;
  std::size_t tokens_max_, overlap_;
  std::vector<Token> tokens_;
  std::vector<Break> breaks_;
  std::vector<Chunk> chunks_;
  std::size_t bytes_ = 0, chars_ = 0;  // of the document before the newest chunk
};

}  // namespace

std::vector<Chunk> chunk(const WordPiece& words, std::string_view document, const ChunkRules& rules,
                         const std::function<void()>& make_way, std::size_t chunks_max) {
  MEMSEAL_ASSERT(rules.tokens > 0);
  MEMSEAL_ASSERT(document.size() <= std::numeric_limits<std::int32_t>::max());
  return Cutter(words, document, rules, make_way, chunks_max).run();
}

}  // namespace memseal::text
