// `memseal models` and `memseal bench` as a user calls them.
#include "support/model_files.hpp"
#include "support/run_program.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace memseal::app {
namespace {

using test::run_program;

namespace json = boost::json;
using model::Architecture;
using model::testing::ModelSpec;

ModelSpec spec_of(Architecture architecture) {
  return {.architecture = architecture, .hidden = 32, .layers = 1, .heads = 2,
          .intermediate = 48, .positions = 64};
}

class Models : public testing::Test {
 protected:
  void SetUp() override {
    model::testing::write_model(place_.path() / "ours-embedder", spec_of(Architecture::encoder));
    model::testing::write_model(place_.path() / "ours-reranker",
                                spec_of(Architecture::cross_encoder));
    ::setenv("MEMSEAL_MODELS", place_.path().c_str(), 1);
  }
  void TearDown() override { ::unsetenv("MEMSEAL_MODELS"); }

  void damage(const std::string& name) {
    auto tensors = model::testing::random_tensors(spec_of(Architecture::encoder));
    tensors.erase("embeddings.LayerNorm.bias");
    model::testing::write_file(place_.path() / name / "model.safetensors",
                               model::testing::safetensors_of(tensors));
  }

  model::testing::TempDirectory place_;
};

TEST_F(Models, ListNamesKindShapeAndPlaceOfEach) {
  const auto plain = run_program({"models", "list"});
  EXPECT_EQ(plain.code, 0);
  EXPECT_NE(plain.out.find("ours-embedder"), std::string::npos);
  EXPECT_NE(plain.out.find("cross-encoder"), std::string::npos);
  EXPECT_NE(plain.out.find("1 x 32"), std::string::npos);

  const auto data = json::parse(run_program({"models", "list", "--json"}).out).as_array();
  std::size_t ours = 0;
  for (const auto& entry : data) {
    const auto& object = entry.as_object();
    if (object.at("name") != "ours-reranker") continue;
    ++ours;
    EXPECT_EQ(object.at("kind"), "cross-encoder");
    EXPECT_EQ(object.at("layers"), 1);
    EXPECT_EQ(object.at("hidden"), 32);
    EXPECT_EQ(object.at("tokens_max"), 64);
    EXPECT_GT(object.at("parameters").to_number<std::size_t>(), 5'000u);
    EXPECT_GT(object.at("bytes").to_number<std::size_t>(), 20'000u);
    EXPECT_TRUE(std::filesystem::is_directory(std::string(object.at("path").as_string())));
  }
  EXPECT_EQ(ours, 1u);
}

TEST_F(Models, ListSaysWhatIsWrongWithADamagedOneAndGoesOn) {
  damage("ours-embedder");
  const auto ran = run_program({"models", "list"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.err.find("embeddings.LayerNorm.bias"), std::string::npos) << ran.err;
  EXPECT_NE(ran.out.find("ours-reranker"), std::string::npos);
}

TEST_F(Models, ShowTellsWhatComputesIt) {
  const auto by_path = run_program({"models", "show", (place_.path() / "ours-embedder").string()});
  EXPECT_EQ(by_path.code, 0);
  EXPECT_NE(by_path.out.find("computed by   cpu/"), std::string::npos) << by_path.out;
  const auto data = json::parse(run_program({"--json", "models", "show", "ours-reranker"}).out);
  EXPECT_EQ(data.at("backend"), "cpu");
  EXPECT_FALSE(data.at("isa").as_string().empty());
  EXPECT_EQ(data.at("architecture"), "BertForSequenceClassification");
}

TEST_F(Models, VerifyHasAnExitCodeForEachVerdict) {
  const auto sound = run_program({"models", "verify", "ours-reranker"});
  EXPECT_EQ(sound.code, 0) << sound.err;
  EXPECT_NE(sound.out.find("sound:"), std::string::npos) << sound.out;
  EXPECT_NE(sound.out.find("double precision"), std::string::npos) << sound.out;
  EXPECT_TRUE(sound.err.empty()) << "progress is for terminals: " << sound.err;
  EXPECT_TRUE(run_program({"-q", "models", "verify", "ours-reranker"}).err.empty());

  damage("ours-embedder");
  const auto damaged = run_program({"models", "verify", "ours-embedder"});
  EXPECT_EQ(damaged.code, 1);
  EXPECT_NE(damaged.err.find("fetch the model again"), std::string::npos) << damaged.err;

  const auto absent = run_program({"models", "verify", "no-such-model"});
  EXPECT_EQ(absent.code, 2);
  EXPECT_NE(absent.err.find("memseal models list"), std::string::npos) << absent.err;
}

TEST_F(Models, VerifyFailsWhereTheNumbersAreNotFinite) {
  auto spec = spec_of(Architecture::encoder);
  auto tensors = model::testing::random_tensors(spec);
  auto& weight = tensors.at("encoder.layer.0.intermediate.dense.weight");
  weight.bytes = model::testing::to_bytes(std::vector<float>(32 * 48, 3e38f), "F32");
  model::testing::write_file(place_.path() / "ours-embedder" / "model.safetensors",
                             model::testing::safetensors_of(tensors));
  const auto ran = run_program({"--json", "-q", "models", "verify", "ours-embedder"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(json::parse(ran.out).at("ok"), false);
}

TEST_F(Models, BenchMeasuresEitherKindAndNamesTheMachine) {
  for (const std::string kind : {"rerank", "embed"}) {
    const auto name = kind == "rerank" ? "ours-reranker" : "ours-embedder";
    const auto ran = run_program({"bench", kind, "--model", name, "--tokens", "16", "--count", "3",
                          "--rounds", "5", "--threads", "2", "--json"});
    ASSERT_EQ(ran.code, 0) << ran.err;
    const auto data = json::parse(ran.out);
    EXPECT_EQ(data.at("calls"), 10);
    EXPECT_EQ(data.at("tokens"), 16);
    EXPECT_EQ(data.at("count"), 3);
    EXPECT_GT(data.at("median_ms").to_number<double>(), 0);
    EXPECT_GE(data.at("p95_ms").to_number<double>(), data.at("median_ms").to_number<double>());
    EXPECT_GT(data.at("tokens_per_s").to_number<double>(), 0);
    EXPECT_FALSE(data.at("machine").as_string().empty());
    EXPECT_FALSE(data.at("isa").as_string().empty());
  }
}

TEST_F(Models, BenchRefusesTheOtherKindAndNamesTheRightCommand) {
  const auto ran = run_program({"bench", "rerank", "--model", "ours-embedder"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_NE(ran.err.find("memseal bench embed"), std::string::npos) << ran.err;
  const auto none = run_program({"bench", "rerank"});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("--model"), std::string::npos) << none.err;
  EXPECT_EQ(run_program({"bench", "embed", "--rounds", "0"}).code, 2);
  EXPECT_EQ(run_program({"bench"}).code, 2);
}

}  // namespace
}  // namespace memseal::app
