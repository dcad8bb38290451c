#include "adapters/model/inspect.hpp"

#include "support/model_files.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace memseal::model {
namespace {

using testing::ModelSpec;

ModelSpec small(Architecture architecture = Architecture::encoder) {
  return {.architecture = architecture, .hidden = 32, .layers = 2, .heads = 2,
          .intermediate = 48, .positions = 160};
}

struct Directory : testing::TempDirectory {
  explicit Directory(const ModelSpec& spec) { testing::write_model(path(), spec); }

  /// Rewrites the weights with every number of one tensor set to `value`.
  void set(const ModelSpec& spec, const std::string& tensor, float value) {
    auto tensors = testing::random_tensors(spec);
    auto& changed = tensors.at(tensor);
    const std::vector<float> values(changed.bytes.size() / 4, value);
    changed.bytes = testing::to_bytes(values, "F32");
    testing::write_file(path() / "model.safetensors", testing::safetensors_of(tensors));
  }
};

TEST(Inspect, SaysWhatTheFilesSayWithoutPacking) {
  const Directory directory(small());
  const auto info = inspect(directory.path());
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->architecture, "BertModel");
  EXPECT_FALSE(is_cross_encoder(*info));
  EXPECT_EQ(info->layers, 2u);
  EXPECT_EQ(info->hidden, 32u);
  EXPECT_EQ(info->heads, 2u);
  EXPECT_EQ(info->tokens_max, 160u);
  EXPECT_EQ(info->name, directory.path().filename().string());
  EXPECT_TRUE(info->backend.empty());
  EXPECT_TRUE(info->isa.empty());
}

TEST(Inspect, CountsTheSameParametersAsLoading) {
  for (const auto kind : {Architecture::encoder, Architecture::cross_encoder}) {
    const Directory directory(small(kind));
    const auto info = inspect(directory.path());
    const auto loaded = Workload::load(directory.path());
    ASSERT_TRUE(info && loaded);
    EXPECT_EQ(info->parameters, loaded->info().parameters);
    EXPECT_EQ(is_cross_encoder(*info), kind == Architecture::cross_encoder);
    EXPECT_EQ(loaded->info().backend, "cpu");
    EXPECT_FALSE(loaded->info().isa.empty());
  }
}

TEST(Inspect, RefusesWhatLoadingRefuses) {
  const auto spec = small();
  Directory directory(spec);
  EXPECT_EQ(inspect(directory.path() / "none").error().code, Errc::no_model);
  directory.set(spec, "encoder.layer.1.output.dense.bias", std::numeric_limits<float>::infinity());
  const auto infinite = inspect(directory.path());
  ASSERT_FALSE(infinite);
  EXPECT_EQ(infinite.error().code, Errc::model_invalid);
  EXPECT_NE(infinite.error().message.find("encoder.layer.1.output.dense.bias"), std::string::npos);
  auto tensors = testing::random_tensors(spec);
  tensors.erase("embeddings.LayerNorm.weight");
  testing::write_file(directory.path() / "model.safetensors", testing::safetensors_of(tensors));
  EXPECT_EQ(inspect(directory.path()).error().code, Errc::model_invalid);
  EXPECT_EQ(verify(directory.path()).error().code, Errc::model_invalid);
}

TEST(Workload, DrawsTheSameIdsForTheSameArguments) {
  const Directory directory(small());
  auto one = Workload::load(directory.path()).value();
  auto two = Workload::load(directory.path()).value();
  one.draw(3, 20);
  two.draw(3, 20);
  EXPECT_EQ(one.sequences(), 3u);
  EXPECT_EQ(one.tokens(), 60u);
  EXPECT_EQ(one.run(), two.run());
  EXPECT_EQ(one.run().size(), 3u * 32u);
}

TEST(Workload, KeepsLengthsToWhatTheModelReads) {
  const Directory directory(small(Architecture::cross_encoder));
  auto work = Workload::load(directory.path()).value();
  work.draw(2, 100'000);
  EXPECT_EQ(work.tokens(), 320u);
  work.draw(2, 1);
  EXPECT_EQ(work.tokens(), 8u);
  const auto logits = work.run();
  ASSERT_EQ(logits.size(), 2u);
  EXPECT_TRUE(std::isfinite(logits[0]) && std::isfinite(logits[1]));
}

TEST(Workload, EndsWhenItIsToldTo) {
  const Directory directory(small());
  auto work = Workload::load(directory.path()).value();
  work.draw(2, 30);
  EXPECT_TRUE(work.run([] { return false; }).empty());
  EXPECT_FALSE(work.run([] { return true; }).empty());
}

TEST(Verify, FindsBothKindsSoundAndTellsItsSteps) {
  for (const auto kind : {Architecture::encoder, Architecture::cross_encoder}) {
    const Directory directory(small(kind));
    int steps = 0;
    const auto found = verify(directory.path(), [&](std::string_view) { ++steps; });
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_TRUE(found->agrees) << found->delta_max << " of " << found->tolerance;
    EXPECT_GT(found->delta_max, 0.0) << "the reference must not be the backend itself";
    EXPECT_TRUE(found->finite);
    EXPECT_EQ(found->sequences, 7u);
    EXPECT_GT(found->tokens, 150u);
    EXPECT_EQ(found->info.tokens_max, 160u);
    EXPECT_EQ(steps, 3);
  }
}

TEST(Verify, SeesThatFp32Overflows) {
  const auto spec = small();
  Directory directory(spec);
  // Finite in the file and in double precision, infinite in fp32.
  directory.set(spec, "encoder.layer.0.intermediate.dense.weight", 3e38f);
  const auto found = verify(directory.path());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_FALSE(found->finite);
  EXPECT_FALSE(found->agrees);
}

}  // namespace
}  // namespace memseal::model
