#include "pure/lexical/bm25.hpp"

#include "pure/lexical/fusion.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

namespace memseal::lexical {
namespace {

using Text = std::map<std::uint64_t, std::uint32_t>;  // hashes, and how often each

std::map<std::uint32_t, float> scores(const std::vector<Text>& texts,
                                      const std::vector<WordHashes>& question) {
  Bm25 scoring(question);
  for (std::uint32_t at = 0; at < texts.size(); ++at) {
    std::uint32_t words = 0;
    std::vector<std::uint32_t> hashes;
    std::vector<std::uint16_t> rests;
    for (const auto& [hash, count] : texts[at]) {
      hashes.push_back(static_cast<std::uint32_t>(hash >> 8));
      rests.push_back(static_cast<std::uint16_t>(posting_of(hash, count)));
      words += count;
    }
    scoring.offer(at, words, hashes, rests);
  }
  std::map<std::uint32_t, float> all;
  for (const auto& [chunk, score] : scoring.scores()) all[chunk] = score;
  return all;
}

// Three chunks of 4, 2 and 6 words, so 4 on the average; computed by hand.
TEST(Bm25, GivesTheScoresOfTheFormula) {
  const std::vector<Text> texts{{{1, 2}, {2, 2}}, {{1, 1}, {3, 1}}, {{4, 6}}};
  const auto both = scores(texts, {{1}, {3}});
  ASSERT_EQ(both.size(), 2u);
  const double idf_1 = std::log(1 + 1.5 / 2.5), idf_3 = std::log(1 + 2.5 / 1.5);
  EXPECT_NEAR(idf_1, 0.470004, 1e-6);
  EXPECT_NEAR(idf_3, 0.980829, 1e-6);
  // 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / 4)) = 1.375 and 2.2 / (1 + 1.2 * 0.625) = 1.257143
  EXPECT_NEAR(both.at(0), 0.470004 * 1.375, 1e-5);
  EXPECT_NEAR(both.at(1), (0.470004 + 0.980829) * 1.257143, 1e-5);
}

TEST(Bm25, CountsTheFormsOfAWordAsOneWord) {
  const std::vector<Text> texts{{{1, 1}, {2, 1}}, {{3, 2}}};
  const auto forms = scores(texts, {{1, 2}});
  const auto one = scores({{{9, 2}}, {{3, 2}}}, {{9}});
  EXPECT_EQ(forms, one);
}

TEST(Bm25, KnowsAWordByAllItsBits) {
  const std::uint64_t hash = 0x123456789a;
  EXPECT_TRUE(scores({{{hash, 1}}}, {{hash ^ 1}}).empty());           // the lowest one
  EXPECT_TRUE(scores({{{hash, 1}}}, {{hash ^ (1ull << 39)}}).empty());  // the highest one
  EXPECT_EQ(scores({{{hash, 1}}}, {{hash}}).size(), 1u);
  EXPECT_TRUE(scores({{{hash, 1}}}, {}).empty());
  EXPECT_TRUE(scores({}, {{hash}}).empty());
}

// The formula once more, from the texts and without hashes that are looked up.
double twin(const std::vector<Text>& texts, std::size_t at,
            const std::vector<WordHashes>& question) {
  const auto has = [](const Text& text, const WordHashes& word) {
    std::uint32_t count = 0;
    for (const auto form : word)
      if (const auto found = text.find(form); found != text.end()) count += found->second;
    return count;
  };
  const auto length = [](const Text& text) {
    double words = 0;
    for (const auto& [hash, count] : text) words += count;
    return words;
  };
  double mean = 0, sum = 0;
  for (const auto& text : texts) mean += length(text) / static_cast<double>(texts.size());
  for (const auto& word : question) {
    double with = 0;
    for (const auto& text : texts) with += has(text, word) > 0;
    const double tf = has(texts[at], word);
    sum += std::log(1 + (static_cast<double>(texts.size()) - with + 0.5) / (with + 0.5)) * tf *
           2.2 / (tf + 1.2 * (0.25 + 0.75 * length(texts[at]) / mean));
  }
  return sum;
}

TEST(Bm25, AgreesWithATwinOnRandomTexts) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint64_t> known;
    for (int i = 0; i < 60; ++i) known.push_back(random() >> 24);
    std::vector<Text> texts(1 + random() % 40);
    for (auto& text : texts)
      for (auto n = random() % 30; n > 0; --n)
        text[known[random() % known.size()]] = 1 + random() % 4;
    std::vector<WordHashes> question;
    for (auto n = random() % 6; n > 0; --n) {
      question.push_back({known[random() % known.size()]});
      if (random() % 3 == 0) question.back().push_back(random() >> 24);
    }
    const auto found = scores(texts, question);
    for (std::size_t at = 0; at < texts.size(); ++at) {
      const auto one = found.find(static_cast<std::uint32_t>(at));
      EXPECT_NEAR(one == found.end() ? 0 : one->second, twin(texts, at, question), 1e-4);
    }
  }
}

TEST(Fusion, IsTheWeightedSumOfSpreadScores) {
  const std::vector<Fusable> all{{0.9f, 0}, {0.5f, 8}, {0.1f, 4}, {0.5f, 2}};
  const auto sums = fused(all, 100, 0.7f);
  EXPECT_FLOAT_EQ(sums[0], 0.7f);
  EXPECT_FLOAT_EQ(sums[1], 0.35f + 0.3f);
  EXPECT_FLOAT_EQ(sums[2], 0.15f);
  EXPECT_FLOAT_EQ(sums[3], 0.35f + 0.3f / 4);
}

// What a search found by words alone must not decide how far apart the nearest ones are.
TEST(Fusion, SpreadsEachScoreOverItsBestOnes) {
  const std::vector<Fusable> all{{0.9f, 0}, {0.8f, 0}, {0.7f, 1}, {-1, 5}};
  const auto sums = fused(all, 3, 0.5f);
  EXPECT_FLOAT_EQ(sums[0], 0.5f);
  EXPECT_FLOAT_EQ(sums[1], 0.25f);
  EXPECT_FLOAT_EQ(sums[2], 0.5f / 5);
  EXPECT_FLOAT_EQ(sums[3], 0.5f);
}

TEST(Fusion, LeavesTheOrderOfTheVectorsWhereNoWordIsFound) {
  const auto sums = fused(std::vector<Fusable>{{0.9f, 0}, {0.8f, 0}, {0.1f, 0}}, 100, 0.5f);
  EXPECT_GT(sums[0], sums[1]);
  EXPECT_GT(sums[1], sums[2]);
  EXPECT_EQ(fused(std::vector<Fusable>{{0.4f, 3}}, 100, 0.5f), std::vector<float>{0});
  EXPECT_TRUE(fused({}, 100, 0.5f).empty());
}

}  // namespace
}  // namespace memseal::lexical
