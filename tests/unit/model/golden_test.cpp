// Published cross-encoders, where MEMSEAL_GOLDEN_MODELS names a directory that holds some of them:
// made of random numbers, a model shows that two programs agree, not that it ranks.
#include "adapters/model/load_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace memseal::model {
namespace {

namespace fs = std::filesystem;

// Question, passages and logits of sentence-transformers' tests/cross_encoder/test_pretrained.py.
const std::string asked = "Which planet is known as the Red Planet?";
const std::vector<std::string> passages{
    "Venus is often called Earth's twin because of its similar size and proximity.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet."};

const std::map<std::string, std::vector<double>> goldens{
    {"ms-marco-TinyBERT-L2-v2", {-10.875, 7.0, 5.875, 5.6875}},
    {"ms-marco-MiniLM-L2-v2", {-10.25, 9.8125, 7.9375, 8.3125}},
    {"ms-marco-MiniLM-L4-v2", {-7.875, 9.0, 5.6875, 6.65625}},
    {"ms-marco-MiniLM-L6-v2", {-6.53125, 9.6875, 6.90625, 6.6875}},
    {"ms-marco-MiniLM-L12-v2", {-7.15625, 9.5, 5.71875, 6.84375}}};

// They are written in bf16: half a step of a number from 8 to 16 is 0.03.
constexpr double tolerance = 0.05;

/// The models that are there, by the name of the published one; one of no name when none is.
struct Golden {
  std::string name;
  fs::path directory;
};

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.directory; }

std::vector<Golden> golden_models() {
  const char* given = std::getenv("MEMSEAL_GOLDEN_MODELS");
  if (given == nullptr || *given == '\0') return {};
  std::vector<Golden> found;
  for (const auto& [name, logits] : goldens) {
    auto older = name;  // "-L-2-" instead of "-L2-"
    older.insert(older.find("-L") + 2, "-");
    for (const auto& folder : {name, older})
      if (fs::is_directory(fs::path(given) / folder))
        found.push_back({name, fs::path(given) / folder});
  }
  if (found.empty()) found.push_back({"", given});
  return found;
}

class GoldenModel : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenModel, GivesThePublishedLogits) {
  const auto& golden = GetParam();
  ASSERT_FALSE(golden.name.empty())
      << golden.directory << " holds none of the models: name one folder ms-marco-TinyBERT-L2-v2";
  const auto model = load_model(golden.directory, Architecture::cross_encoder, {});
  ASSERT_TRUE(model) << model.error().message;
  PackedBatch batch;
  for (const auto& passage : passages) {
    const auto pair = (*model)->tokenizer.encode_pair(asked, passage, (*model)->info.tokens_max);
    batch.add(pair.ids, pair.segment_b);
  }
  std::vector<float> logits(passages.size());
  ASSERT_TRUE((*model)->encoder->score(batch, [] { return true; }, logits));
  for (std::size_t i = 0; i < logits.size(); ++i)
    EXPECT_NEAR(logits[i], goldens.at(golden.name)[i], tolerance) << passages[i];
}

// Without the variable there is nothing to test, and nothing is skipped.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenModel);
INSTANTIATE_TEST_SUITE_P(Mounted, GoldenModel, ::testing::ValuesIn(golden_models()));

}  // namespace
}  // namespace memseal::model
