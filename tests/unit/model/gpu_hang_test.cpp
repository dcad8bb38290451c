// A driver that hangs, and a thread that does not come back from it.
#include "gpu_rig.hpp"

#include <thread>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using kernels::Fault;
using testing::GpuRig;

/// A driver that hangs while it opens the device, until the gate opens.
DeviceOpener hanging(testing::Gate& gate, testing::Openings& openings) {
  gate.close();
  return [&gate, open = openings.opener()] {
    gate.pass();
    return open();
  };
}

/// Whether the device was opened and given back, so that nothing holds its memory.
bool is_given_back(testing::Openings& openings) {
  return GpuRig::comes_true([&] { return openings.opened() == 1 && !openings.latest(); });
}

TEST(GpuHangs, AModelThatComesUpAfterItsCallerLeftIsTakenOffAgain) {
  ::testing::internal::CaptureStderr();
  {
    testing::Gate gate;
    GpuRig rig;
    rig.options.start_most = 300ms;
    rig.supervisor =
        std::make_shared<GpuSupervisor>(hanging(gate, rig.openings), rig.options, &rig.metrics);
    EXPECT_TRUE(rig.add(Architecture::cross_encoder));
    EXPECT_FALSE(rig.hosted);
    const auto start = runtime::Clock::now();
    EXPECT_TRUE(rig.add(Architecture::encoder));
    EXPECT_LT(runtime::Clock::now() - start, 250ms) << "the thread is known to hang";
    EXPECT_FALSE(rig.hosted);
    gate.open();
    EXPECT_TRUE(is_given_back(rig.openings));
    EXPECT_EQ(rig.metric("memseal_model_device_up{model=\"tiny-reranker\"}"), 0);
    // The driver works again, so the next model finds its place.
    EXPECT_TRUE(GpuRig::comes_true([&] { return !rig.add(Architecture::encoder); }));
    ASSERT_TRUE(rig.hosted);
    EXPECT_TRUE(rig.hosted->is_on());
  }
  const auto lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(lines.find("gpu.on models=tiny-reranker"), std::string::npos) << lines;
  EXPECT_NE(lines.find("gpu.on models=tiny-embedder"), std::string::npos) << lines;
  EXPECT_NE(lines.find("gpu.off models=tiny-reranker"), std::string::npos) << lines;
}

TEST(GpuHangs, AModelThatFailsAfterItsCallerLeftIsNotProbed) {
  testing::Gate gate;
  GpuRig rig;
  rig.options.start_most = 100ms;
  rig.openings.refusal = Fault::lost;
  rig.supervisor =
      std::make_shared<GpuSupervisor>(hanging(gate, rig.openings), rig.options, &rig.metrics);
  EXPECT_TRUE(rig.add(Architecture::cross_encoder));
  gate.open();
  EXPECT_TRUE(GpuRig::comes_true(
      [&] { return rig.metric("memseal_model_device_faults_total{fault=\"lost\"}") == 1; }));
  rig.openings.refuse(std::nullopt);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(rig.openings.opened(), 0u);
}

TEST(GpuHangs, AToolEndsWhileTheDriverHangs) {
  testing::Gate gate;
  testing::Openings openings;
  auto options = testing::fast_options();
  options.start_most = 100ms;
  std::thread rescue([&] {  // so that the test fails and does not hang
    std::this_thread::sleep_for(3s);
    gate.open();
  });
  const auto start = runtime::Clock::now();
  const auto placement =
      place_model(DeviceChoice::automatic,
                  std::make_shared<GpuSupervisor>(hanging(gate, openings), options, nullptr),
                  testing::tiny(Architecture::cross_encoder));
  EXPECT_LT(runtime::Clock::now() - start, 2'500ms);
  ASSERT_TRUE(placement);
  EXPECT_FALSE(placement->hosted);
  rescue.join();
  EXPECT_TRUE(is_given_back(openings));
}

TEST(GpuHangs, AThreadThatStaysInAnAbandonedEngineDelaysNoLaterOne) {
  runtime::Metrics metrics;
  const auto model = testing::tiny(Architecture::cross_encoder);
  HostedModel hosted(model, metrics, [] {});
  auto options = testing::fast_options().engine;
  options.hang_ms = 1'000;
  hosted.build(std::make_shared<kernels::HostDevice>(), options);
  testing::Gate gate;
  gate.close();
  std::thread stuck([&] {
    kernels::Request request;
    request.batch = {{model->tokenizer.cls_id(), model->tokenizer.sep_id()}, {0, 2}, {2}};
    request.wanted = [&] { return gate.pass(), false; };
    request.done = [](const std::vector<float>&, const std::exception_ptr&) {};
    EXPECT_TRUE(hosted.submit(std::move(request)));
  });
  gate.wait_for_work();
  hosted.turn_off();
  hosted.free_engine();
  hosted.build(std::make_shared<kernels::HostDevice>(), options);
  hosted.turn_off();
  const auto start = runtime::Clock::now();
  hosted.free_engine();
  EXPECT_LT(runtime::Clock::now() - start, 1'500ms) << "waited for a thread of another engine";
  gate.open();
  stuck.join();
}

}  // namespace
}  // namespace memseal::model
