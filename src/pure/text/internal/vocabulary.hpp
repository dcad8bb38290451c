#pragma once
#include "base/result.hpp"
#include "pure/text/internal/ascii_words.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace memseal::text {

/// The lines of a vocab.txt, grouped by how a word may use them.
/// Lifetime: holds views into the content of the file.
class Vocabulary {
 public:
  static constexpr std::size_t bytes_max = 4u << 20;
  using Entries = std::vector<std::pair<std::string, std::int32_t>>;

  /// Errors: model_invalid when the content is too large, not UTF-8, or lacks a special token.
  static Result<Vocabulary> parse(std::string_view content);

  std::int32_t id_of(std::string_view token, std::int32_t otherwise = -1) const;
  Entries starts() const;                            ///< tokens that may begin a word
  Entries continuations() const;                     ///< tokens that may continue one, without "##"
  std::vector<AsciiWords::Entry> short_words() const;
  std::vector<bool> continues() const;               ///< by id: begins with "##"

 private:
  std::size_t lines_ = 0;
  std::unordered_map<std::string_view, std::int32_t> ids_;
};

/// How many tokens of each text of a pair remain.
struct PairSizes {
  std::size_t a, b;
};

/// The library's truncation rule "longest_first" (tokenizers, utils/truncation.rs). The shorter
/// text keeps all its tokens if they fit into half. Two long texts share the room equally; the
/// longer one (b when both are equal) gets the odd token.
PairSizes longest_first(std::size_t a, std::size_t b, std::size_t room) noexcept;

}  // namespace memseal::text
