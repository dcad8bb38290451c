// The published all-MiniLM-L6-v2, where scripts/deps has fetched it.
#include "adapters/model/load_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

namespace memseal::model {
namespace {

std::filesystem::path directory() {
  return std::filesystem::path(MEMSEAL_SOURCE_DIR) / ".deps/models/all-MiniLM-L6-v2";
}

#define NEED_MINILM()                                                          \
  if (!std::filesystem::exists(directory() / "model.safetensors"))             \
  GTEST_SKIP() << "all-MiniLM-L6-v2 is not in " << directory() << ": run scripts/deps"

std::shared_ptr<const LoadedModel> load(Backend backend) {
  return load_model(directory(), Architecture::encoder, {.backend = backend}).value();
}

std::vector<float> embed(const LoadedModel& model, std::string_view text) {
  PackedBatch batch;
  batch.add(model.tokenizer.encode_single(text, model.info.tokens_max));
  std::vector<float> out(model.config.hidden);
  EXPECT_TRUE(model.encoder->embed(batch, [] { return true; }, out));
  return out;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return dot / std::sqrt(aa * bb);
}

TEST(MiniLm, SaysWhatItIs) {
  NEED_MINILM();
  const auto model = load(Backend::cpu);
  EXPECT_EQ(model->info.name, "all-MiniLM-L6-v2");
  EXPECT_EQ(model->info.hidden, 384u);
  EXPECT_EQ(model->info.layers, 6u);
  EXPECT_EQ(model->info.tokens_max, 256u);
  EXPECT_EQ(model->info.vocabulary, 30'522u);
  EXPECT_EQ(model->info.parameters, 22'565'376u);
  EXPECT_NE(model->info.describe().find("6 layers x 384"), std::string::npos)
      << model->info.describe();
}

/// First six, 201st and last number of a vector: computed in float64 by a program that shares
/// nothing with this one (NumPy for the arithmetic, Hugging Face tokenizers for the ids).
struct GoldenVector {
  std::string text;
  std::vector<double> numbers;
};

std::vector<GoldenVector> golden_vectors() {
  std::string report;
  for (int i = 0; i < 12; ++i)
    report +=
        "The quarterly report shows that revenue grew by 14 % while costs fell; the board will "
        "meet on Tuesday to discuss the budget for next year. ";
  return {
      {"This is an example sentence",
       {0.067657, 0.063496, 0.048713, 0.079305, 0.037448, 0.002653, -0.066438, -0.042229}},
      {"Each sentence is converted",
       {0.086439, 0.102763, 0.005395, 0.002044, -0.009963, 0.025386, -0.013591, -0.084177}},
      {"Who was the first person on the moon?",
       {-0.024953, 0.049221, 0.016114, 0.05058, -0.079473, -0.04502, -0.007455, 0.004788}},
      {"Der Vertrag läuft am 31. März aus – bitte prüfen.",
       {0.01563, 0.077118, 0.00803, 0.001572, 0.033561, 0.081921, 0.038838, 0.031616}},
      {report,   // Cut to 256 tokens.
       {0.021188, 0.009545, -0.044417, 0.031083, 0.017783, 0.035234, 0.033249, 0.004912}}};
}

TEST(MiniLm, GivesThePublishedVectors) {
  NEED_MINILM();
  const auto model = load(Backend::cpu);
  for (const auto& [text, numbers] : golden_vectors()) {
    const auto vector = embed(*model, text);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const std::size_t index = i < 6 ? i : i == 6 ? 200 : 383;
      EXPECT_NEAR(vector[index], numbers[i], 2e-6) << text.substr(0, 40) << " at " << index;
    }
  }
}

TEST(MiniLm, CpuAgreesWithTheReference) {
  NEED_MINILM();
  const auto cpu = load(Backend::cpu), reference = load(Backend::reference);
  EXPECT_EQ(reference->info.backend, "reference");
  for (const std::string text : {"", "x", "Who was the first person on the moon?",
                                 "Invoices are paid within thirty days of receipt."})
    EXPECT_NEAR(cosine(embed(*cpu, text), embed(*reference, text)), 1, 1e-6) << text;
}

TEST(MiniLm, PutsWhatBelongsTogetherTogether) {
  NEED_MINILM();
  const auto model = load(Backend::cpu);
  const auto question = embed(*model, "How do I reset my password?");
  const double right = cosine(question, embed(*model, "To change a forgotten password, open the "
                                                      "sign-in page and choose Forgot password."));
  const double wrong = cosine(question, embed(*model, "The cafeteria serves soup on Fridays."));
  EXPECT_GT(right, 0.6);
  EXPECT_LT(wrong, 0.2);
}

}  // namespace
}  // namespace memseal::model
