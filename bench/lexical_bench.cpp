// lexical: the words of a question against 10,000 chunks of 32 terms, scored by BM25 from the
// columns that a copy in memory has, and the best 100 taken. Its rival is what search engines do:
// an inverted index in memory, from each term's hash to the chunks that have it, same formula.
#include "bench.hpp"
#include "cases/search/internal/term_columns.hpp"
#include "pure/lexical/bm25.hpp"

#include <random>
#include <stdexcept>
#include <unordered_map>

namespace {

using namespace memseal;
using namespace memseal::bench;

constexpr std::size_t chunks = 10'000, terms = 32, vocabulary = 30'000, wanted = 100;
constexpr std::size_t question_words = 6;
constexpr int runs = 7, calls = 200;

struct Stored {
  std::uint32_t chunk, count;
};

struct Corpus {
  search::TermColumns columns{chunks};
  std::unordered_map<std::uint64_t, std::vector<Stored>> inverted;
  std::vector<std::uint64_t> hashes;  ///< by rank: 0 is the most frequent term
};

/// A term of rank r is drawn about as often as 1 / r, as words of a language are.
std::size_t zipf(std::mt19937_64& random) {
  const double at = std::uniform_real_distribution<double>(0, std::log(double(vocabulary)))(random);
  return std::min(vocabulary - 1, static_cast<std::size_t>(std::exp(at)) - 1);
}

Corpus make() {
  std::mt19937_64 random(1);
  Corpus corpus;
  for (std::size_t i = 0; i < vocabulary; ++i) corpus.hashes.push_back(random() >> 24);
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
    std::unordered_map<std::size_t, std::uint32_t> counts;
    while (counts.size() < terms) ++counts[zipf(random)];
    std::vector<std::uint32_t> upper;
    std::vector<std::uint16_t> rest;
    std::uint32_t words = 0;
    for (const auto& [rank, count] : counts) {
      const auto hash = corpus.hashes[rank];
      corpus.inverted[hash].push_back({chunk, count});
      upper.push_back(static_cast<std::uint32_t>(hash >> 8));
      rest.push_back(static_cast<std::uint16_t>(lexical::posting_of(hash, count)));
      words += count;
    }
    corpus.columns.put(chunk, words, upper, rest);
  }
  return corpus;
}

float keep_best(std::vector<lexical::ChunkScore> scores) {
  const auto count = std::min(wanted, scores.size());
  std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(count),
                    scores.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return count == 0 ? 0 : scores[count - 1].score;
}

float by_columns(const Corpus& corpus, const std::vector<lexical::WordHashes>& question) {
  lexical::Bm25 scoring(question);
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk)
    scoring.offer(chunk, corpus.columns.words(chunk), corpus.columns.hashes(chunk),
                  corpus.columns.rests(chunk));
  return keep_best(scoring.scores());
}

float by_index(const Corpus& corpus, double mean,
               const std::vector<lexical::WordHashes>& question) {
  std::vector<double> sums(chunks);
  for (const auto& word : question) {
    const auto found = corpus.inverted.find(word.front());
    if (found == corpus.inverted.end()) continue;
    const auto with = static_cast<double>(found->second.size());
    const double idf = std::log1p((chunks - with + 0.5) / (with + 0.5));
    for (const auto& [chunk, count] : found->second) {
      const double norm = 1.2 * (0.25 + 0.75 * corpus.columns.words(chunk) / mean);
      sums[chunk] += idf * count * 2.2 / (count + norm);
    }
  }
  std::vector<lexical::ChunkScore> scores;
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk)
    if (sums[chunk] > 0) scores.push_back({chunk, static_cast<float>(sums[chunk])});
  return keep_best(std::move(scores));
}

}  // namespace

int main() {
  const auto corpus = make();
  double mean = 0;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) mean += corpus.columns.words(chunk);
  mean /= chunks;
  std::mt19937_64 random(2);
  std::vector<double> ours, rivals, ratios;
  for (int run = 0; run < runs; ++run) {
    std::vector<double> one, other;
    for (int call = 0; call < calls; ++call) {
      std::vector<lexical::WordHashes> question;
      while (question.size() < question_words) question.push_back({corpus.hashes[zipf(random)]});
      float a = 0, b = 0;
      one.push_back(1e3 * seconds([&] { a = by_columns(corpus, question); }));
      other.push_back(1e3 * seconds([&] { b = by_index(corpus, mean, question); }));
      if (std::abs(a - b) > 1e-3f) throw std::runtime_error("the two do not agree");
    }
    ours.push_back(percentile(one, 0.95));
    rivals.push_back(percentile(other, 0.95));
    ratios.push_back(ours.back() / rivals.back());
  }
  print({"lexical", median(ours), median(rivals), "inverted index in memory, p95", median(ratios),
         "ms", "lower", runs});
}
