#pragma once
// BERT's uncased WordPiece tokenizer, with ids identical to the Hugging Face *fast* tokenizer.
#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace memseal::text {

/// One token and the bytes of the source text that it comes from: [begin, end).
/// Characters that the normaliser removes (accents, controls) belong to a token only when they lie
/// inside it. All parts of one Hangul syllable have the bytes of that syllable.
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

/// Immutable. Thread: any, at the same time.
/// NOTE: literal "[CLS]", "[SEP]"… in a text stay text and never become special tokens.
/// NOTE: one difference from the library, without effect on BERT's vocabularies. The library moves
/// some marks into canonical order without removing them (U+1B44, U+302E, U+1D165…), because its
/// category tables do not know them or they are spacing marks. Here they keep the order of the
/// text.
class WordPiece {
 public:
  /// `vocabulary`: the content of vocab.txt, one token a line. The id is the line number, from 0.
  /// Errors: model_invalid when a special token is missing or a line is not UTF-8.
  static Result<WordPiece> from_vocabulary(std::string_view vocabulary);
  ~WordPiece();
  WordPiece(WordPiece&&) noexcept;
  WordPiece& operator=(WordPiece&&) noexcept;

  /// Appends the tokens of `utf8` to `out`, without special tokens. Ill-formed UTF-8 is read as
  /// U+FFFD, which BERT's cleaning drops. Linear in the length of the text.
  void encode(std::string_view utf8, std::vector<Token>& out) const;

  /// `[CLS] text [SEP]`, truncated on the right to `tokens_max` ids in all. REQUIRES: >= 2.
  std::vector<std::int32_t> encode_single(std::string_view utf8, std::size_t tokens_max) const;

  /// `[CLS] a [SEP] b [SEP]`, truncated to `tokens_max` ids by the library's rule "longest_first".
  /// REQUIRES: tokens_max >= 3.
  TokenPair encode_pair(std::string_view a, std::string_view b, std::size_t tokens_max) const;

  /// Whether the token only continues a word ("##…"). A text must not be cut before such a token.
  bool continues_word(std::int32_t id) const noexcept;

  std::int32_t cls_id() const noexcept;
  std::int32_t sep_id() const noexcept;
  std::size_t vocabulary_size() const noexcept;

 private:
  struct Tables;
  explicit WordPiece(std::unique_ptr<const Tables> tables);
  std::unique_ptr<const Tables> tables_;
};

}  // namespace memseal::text
