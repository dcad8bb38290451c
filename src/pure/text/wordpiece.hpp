#pragma once
// BERT's uncased WordPiece tokenizer, with ids identical to the Hugging Face *fast* tokenizer.
#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace memseal::text {

/// One token and the bytes of the source text it came from: [begin, end). Characters that left
/// nothing (accents, controls) belong to a token only when they lie inside it; the parts of one
/// Hangul syllable all come from that syllable.
struct Token {
  std::int32_t id = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  friend bool operator==(const Token&, const Token&) = default;
};

/// Two texts as one model input `[CLS] a [SEP] b [SEP]`; `segment_b` is the index of b's first
/// token, so that positions >= segment_b have token type 1.
struct TokenPair {
  std::vector<std::int32_t> ids;
  std::size_t segment_b = 0;
};

/// Immutable once made: any number of threads may use one at once.
/// Known difference, without effect on BERT's vocabularies: marks that the library moves into
/// canonical order without removing them (U+1B44, U+302E, U+1D165…; category tables older than
/// they are, or spacing marks) stay in the order of the text.
/// Literal "[CLS]", "[SEP]"… in a text stay text: they never become special tokens.
class WordPiece {
 public:
  /// `vocabulary`: the content of vocab.txt, one token a line, the line number being its id.
  /// Errors: model_invalid when a special token is missing or a line is not UTF-8.
  static Result<WordPiece> from_vocabulary(std::string_view vocabulary);
  ~WordPiece();
  WordPiece(WordPiece&&) noexcept;
  WordPiece& operator=(WordPiece&&) noexcept;

  /// Appends the tokens of `utf8` to `out`, without special tokens. Ill-formed UTF-8 is read as
  /// U+FFFD, which BERT's cleaning drops. Linear in the length of the text.
  void encode(std::string_view utf8, std::vector<Token>& out) const;

  /// `[CLS] text [SEP]`, cut on the right to `tokens_max` ids in all (>= 2).
  std::vector<std::int32_t> encode_single(std::string_view utf8, std::size_t tokens_max) const;

  /// `[CLS] a [SEP] b [SEP]`, cut by the library's rule "longest_first" to `tokens_max` (>= 3).
  TokenPair encode_pair(std::string_view a, std::string_view b, std::size_t tokens_max) const;

  /// Whether the token only ever continues a word ("##…"): a text must not be cut before it.
  bool continues_word(std::int32_t id) const noexcept;

  std::int32_t cls_id() const noexcept;
  std::int32_t sep_id() const noexcept;
  std::int32_t pad_id() const noexcept;
  std::int32_t unk_id() const noexcept;
  std::size_t vocabulary_size() const noexcept;

 private:
  struct Tables;
  explicit WordPiece(std::unique_ptr<const Tables> tables);
  std::unique_ptr<const Tables> tables_;
};

}  // namespace memseal::text
