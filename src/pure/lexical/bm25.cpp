#include "pure/lexical/bm25.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace memseal::lexical {

Bm25::Bm25(const std::vector<WordHashes>& question, Bm25Rules rules)
    : rules_(rules), chunks_with_(question.size()) {
  MEMSEAL_ASSERT(question.size() <= words_max);
  for (std::size_t word = 0; word < question.size(); ++word) {
    for (const auto hash : question[word]) {
      asked_.push_back({hash, static_cast<std::uint8_t>(word)});
      const auto low = static_cast<std::uint32_t>(hash >> 8) & 0xffff;
      filter_[low >> 6] |= std::uint64_t{1} << (low & 63);
    }
  }
  std::sort(asked_.begin(), asked_.end());
  // A form that is named twice counts once.
  asked_.erase(std::unique(asked_.begin(), asked_.end()), asked_.end());
}

void Bm25::take(std::uint32_t chunk, std::uint32_t words, std::uint32_t hash, std::uint16_t rest) {
  const auto whole = std::uint64_t{hash} << 8 | rest >> 8;
  auto found = std::lower_bound(asked_.begin(), asked_.end(), whole,
                                [](const Asked& one, auto value) { return one.hash < value; });
  for (; found != asked_.end() && found->hash == whole; ++found)
    add(chunk, words, found->word, rest & 0xff);
}

void Bm25::add(std::uint32_t chunk, std::uint32_t words, std::uint8_t word, std::uint32_t count) {
  // Another form of a word that the chunk has already.
  for (auto at = matches_.rbegin(); at != matches_.rend() && at->chunk == chunk; ++at) {
    if (at->word != word) continue;
    at->count = static_cast<std::uint8_t>(std::min(at->count + count, 255u));
    return;
  }
  const auto length = static_cast<std::uint16_t>(std::min<std::uint32_t>(words, 0xffff));
  matches_.push_back({chunk, length, word, static_cast<std::uint8_t>(count)});
  ++chunks_with_[word];
}

std::vector<ChunkScore> Bm25::scores() const {
  std::vector<double> idf;
  const auto all = static_cast<double>(chunks_);
  for (const auto with : chunks_with_) idf.push_back(std::log1p((all - with + 0.5) / (with + 0.5)));
  const double mean = words_ == 0 ? 1 : static_cast<double>(words_) / all;
  std::vector<ChunkScore> scores;
  std::vector<double> parts(chunks_with_.size());
  for (std::size_t begin = 0; begin < matches_.size();) {
    const auto& first = matches_[begin];
    const double norm = rules_.k1 * (1 - rules_.b + rules_.b * first.words / mean);
    std::size_t end = begin;
    for (; end < matches_.size() && matches_[end].chunk == first.chunk; ++end) {
      const double count = matches_[end].count;
      const auto word = matches_[end].word;
      parts[word] = idf[word] * count * (rules_.k1 + 1) / (count + norm);
    }
    // In the order of the words, so that the sum does not depend on the order of the postings.
    double sum = 0;
    for (auto& part : parts) sum += std::exchange(part, 0);
    scores.push_back({first.chunk, static_cast<float>(sum)});
    begin = end;
  }
  return scores;
}

}  // namespace memseal::lexical
