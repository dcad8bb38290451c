// model.device: what a configuration asks for, and what is said where there is no GPU.
#include "support/model_files.hpp"
#include "support/run_program.hpp"
#include "adapters/model/gpu/device.hpp"
#include "app/service/wiring.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace memseal::app {
namespace {

using test::run_program;

namespace json = boost::json;
using model::Architecture;

class Gpu : public testing::Test {
 protected:
  Gpu() {
    for (const auto kind : {Architecture::encoder, Architecture::cross_encoder})
      model::testing::write_model(kind == Architecture::encoder ? embedder() : reranker(),
                                  {.architecture = kind, .hidden = 32, .layers = 1, .heads = 1,
                                   .positions = 64});
    config.embedding.model = embedder().string();
    config.rerank.model = reranker().string();
  }
  ~Gpu() override { cpu.join(); }

  std::filesystem::path embedder() const { return place.path() / "embedder"; }
  std::filesystem::path reranker() const { return place.path() / "reranker"; }

  static LoadedConfig load(const std::string& device) {
    ConfigSources sources;
    sources.environment = {{"MEMSEAL__MODEL__DEVICE", device}};
    return load_config(sources);
  }

  /// The doctor's line of that name.
  json::object line_of(const std::string& device) const {
    const auto ran = run_program({"doctor", "--json", "--set", "model.device=" + device, "--set",
                          "embedding.model=" + embedder().string(), "--set",
                          "rerank.model=" + reranker().string()});
    const auto report = json::parse(ran.out);
    for (const auto& line : report.at("checks").as_array())
      if (line.at("name") == "gpu") return line.as_object();
    ADD_FAILURE() << "no line about GPUs";
    return {};
  }

  model::testing::TempDirectory place;
  model::ModelPool cpu{1};
  Config config;
  const model::DeviceReport here = model::look_for_device();
};

TEST_F(Gpu, IsTakenByItselfUnlessTheConfigurationSaysOtherwise) {
  EXPECT_EQ(Config().model.device, "auto");
  for (const std::string device : {"auto", "cpu", "cuda"})
    EXPECT_EQ(load(device).values.model.device, device);
  const auto wrong = load("gpu");
  ASSERT_EQ(wrong.problems.size(), 1u);
  EXPECT_NE(wrong.problems[0].message.find("auto, cpu, cuda"), std::string::npos);
  config.model.device = "cpu";
  EXPECT_EQ(make_gpu_supervisor(config), nullptr);
}

TEST_F(Gpu, LeavesTheModelsToTheCpuWhereThereIsNone) {
  EXPECT_FALSE(here.detail.empty());
  EXPECT_EQ(here.fix.empty(), here.found);
  runtime::Metrics metrics;
  const std::string backend = here.found ? "cuda" : "cpu";
  const auto host = make_gpu_supervisor(config, &metrics);
  const auto embeds = make_embedder(config, cpu, host);
  ASSERT_TRUE(embeds) << embeds.error().message;
  EXPECT_NE(embeds->description().find(backend + "/"), std::string::npos);
  const auto ranks = make_reranker(config, cpu, host);
  ASSERT_TRUE(ranks) << ranks.error().message;
  EXPECT_EQ((*ranks)->info().backend, backend);
  const std::string up = "memseal_model_device_up{model=\"reranker\"} ";
  EXPECT_NE(metrics.render().find(up + (here.found ? "1" : "0")), std::string::npos);
}

TEST_F(Gpu, ThatMustBeThereIsAnErrorWhereThereIsNone) {
  config.model.device = "cuda";
  const auto ranks = make_reranker(config, cpu, make_gpu_supervisor(config));
  ASSERT_EQ(ranks.has_value(), here.found);
  if (here.found) return;
  EXPECT_EQ(ranks.error().field, "model.device");
  EXPECT_NE(ranks.error().message.find(here.fix), std::string::npos) << ranks.error().message;
}

TEST_F(Gpu, HasALineInTheDoctorsReport) {
  const auto automatic = line_of("auto");
  EXPECT_EQ(automatic.at("ok"), true);
  EXPECT_FALSE(automatic.at("detail").as_string().empty());
  const auto cpu_only = line_of("cpu");
  EXPECT_EQ(cpu_only.at("ok"), true);
  EXPECT_NE(std::string(cpu_only.at("detail").as_string()).find("model.device is cpu"),
            std::string::npos);
  const auto insisted = line_of("cuda");
  EXPECT_EQ(insisted.at("ok"), here.found);
  EXPECT_EQ(insisted.at("required"), true);
}

TEST_F(Gpu, IsMeasuredAndVerifiedOnlyWhereItIs) {
  const auto bench = run_program({"bench", "rerank", "--model", reranker().string(), "--device",
                                  "cuda", "--rounds", "2", "--json"});
  const auto verify =
      run_program({"models", "verify", embedder().string(), "--device", "cuda", "-q"});
  EXPECT_EQ(run_program({"bench", "rerank", "--device", "tpu"}).code, 2);
  if (here.found) {
    EXPECT_EQ(json::parse(bench.out).at("backend"), "cuda");
    EXPECT_EQ(verify.code, 0) << verify.err;
    return;
  }
  EXPECT_EQ(bench.code, 1);
  EXPECT_NE(bench.err.find(here.fix), std::string::npos) << bench.err;
  EXPECT_EQ(verify.code, 1);
  EXPECT_NE(verify.err.find(here.fix), std::string::npos) << verify.err;
}

}  // namespace
}  // namespace memseal::app
