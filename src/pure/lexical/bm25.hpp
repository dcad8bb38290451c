#pragma once
// Okapi BM25: how well the words of chunks answer the words of a question.
// Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
// idf that is never negative: ln(1 + (N - n + 0.5) / (n + 0.5)).
#include "pure/lexical/term_block.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace memseal::lexical {

/// One word of a question: the hashes of all its forms, under all keys of its tenant.
using WordHashes = std::vector<std::uint64_t>;

struct Bm25Rules {
  double k1 = 1.2, b = 0.75;
};

/// The score of one chunk, greater is better. Chunks without a word of the question have none.
struct ChunkScore {
  std::uint32_t chunk = 0;  ///< the number that offer() got
  float score = 0;
};

/// Scores all chunks of one tenant for one question. A value of one thread.
class Bm25 {
 public:
  static constexpr std::size_t words_max = 255;

  /// REQUIRES: words_max words at most.
  explicit Bm25(const std::vector<WordHashes>& question, Bm25Rules rules = {});

  /// Takes the next chunk, which has `words` words; 65,535 stands for more. Its postings are
  /// two columns side by side: the upper 32 bits of each hash, and its lower 8 bits above 8 bits of
  /// count.
  void offer(std::uint32_t chunk, std::uint32_t words, std::span<const std::uint32_t> hashes,
             std::span<const std::uint16_t> rests) {
    ++chunks_;
    words_ += words;
    for (std::size_t i = 0; i < hashes.size(); ++i)
      if (may_be_asked(hashes[i])) take(chunk, words, hashes[i], rests[i]);
  }

  /// The scores of all chunks that have a word of the question, in the order of their offers.
  std::vector<ChunkScore> scores() const;

 private:
  struct Asked {
    std::uint64_t hash;
    std::uint8_t word;
    friend auto operator<=>(const Asked&, const Asked&) = default;
  };
  /// A question of many frequent words makes many of these.
  struct Match {
    std::uint32_t chunk;
    std::uint16_t words;
    std::uint8_t word, count;
  };

  bool may_be_asked(std::uint32_t hash) const noexcept {
    return (filter_[(hash & 0xffff) >> 6] >> (hash & 63) & 1) != 0;
  }
  void take(std::uint32_t chunk, std::uint32_t words, std::uint32_t hash, std::uint16_t rest);
  void add(std::uint32_t chunk, std::uint32_t words, std::uint8_t word, std::uint32_t count);

  const Bm25Rules rules_;
  std::vector<Asked> asked_;  ///< in the order of their hashes
  std::array<std::uint64_t, 1'024> filter_{};  ///< a bit for the low 16 bits of each asked hash
  std::vector<Match> matches_;                 ///< those of a chunk stand side by side
  std::vector<std::uint32_t> chunks_with_;     ///< by word of the question
  std::uint64_t chunks_ = 0, words_ = 0;
};

}  // namespace memseal::lexical
