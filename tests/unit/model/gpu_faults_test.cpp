// Models on a GPU that fails: each call of it in turn, and in every way.
#include "gpu_rig.hpp"

#include "adapters/model/gpu/faults.hpp"

#include "runtime/log.hpp"

#include <thread>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using kernels::Fault;
using kernels::HostFaults;
using runtime::Deadline;
using runtime::RequestContext;
using testing::GpuRig;
using testing::question;

struct CallCounts {
  std::size_t to_be_on = 0, for_a_request = 0;
  std::size_t works_to_be_on = 0, works_for_a_request = 0;
};

/// What a sound device is asked for until the model is on, and for one request more.
CallCounts count_calls() {
  GpuRig rig;
  rig.options.engine.lanes = 1;
  rig.add(Architecture::cross_encoder);
  const auto device = rig.openings.latest();
  CallCounts counts{device->calls(), 0, device->works(), 0};
  rig.await(rig.reranker->score({}, question, testing::texts_of(3)));
  counts.for_a_request = device->calls() - counts.to_be_on;
  counts.works_for_a_request = device->works() - counts.works_to_be_on;
  return counts;
}

/// Requests whose answers are right whoever gave them, until one is the GPU's own again.
void expect_service(GpuRig& rig, const std::string& what) {
  static const auto passages = testing::texts_of(3);
  static const auto truth = testing::true_scores(question, passages);
  const std::string fallbacks = "memseal_model_device_fallbacks_total{model=\"tiny-reranker\"}";
  int by_gpu = 0;
  for (int i = 0; i < 10'000 && by_gpu == 0; ++i) {
    const auto before = rig.metric(fallbacks);
    const auto scores = rig.await(rig.reranker->score({}, question, passages));
    ASSERT_LE(testing::worst(scores, truth), testing::logit_gate) << what;
    if (rig.metric(fallbacks) == before)
      ++by_gpu;
    else
      std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(by_gpu, 1) << what;
  EXPECT_TRUE(rig.openings.old_one_is_gone) << what;
}

void fail_each_call(Fault fault, std::size_t step = 1) {
  const auto counts = count_calls();
  ASSERT_GT(counts.to_be_on, 40u);
  ASSERT_GT(counts.for_a_request, 2u);
  for (std::size_t n = 0; n < counts.to_be_on + counts.for_a_request; n += step) {
    GpuRig rig;
    rig.options.engine.lanes = 1;
    HostFaults faults;
    faults.call = n;
    faults.fault = fault;
    rig.openings.faults.push_back(faults);
    const auto failure = rig.add(Architecture::cross_encoder);
    EXPECT_EQ(failure.has_value(), n < counts.to_be_on) << n;
    ASSERT_TRUE(rig.hosted);
    expect_service(rig, "call " + std::to_string(n) + ", " + kernels::fault_name(fault));
  }
}

TEST(GpuFaults, EachCallInTurnRunsOutOfMemory) { fail_each_call(Fault::out_of_memory); }
TEST(GpuFaults, ManyCallsInTurnLoseTheDevice) { fail_each_call(Fault::lost, 3); }
TEST(GpuFaults, ManyCallsInTurnFailForAnotherReason) { fail_each_call(Fault::internal, 5); }

TEST(GpuFaults, EachWorkOfARequestInTurnLosesTheDevice) {
  const auto counts = count_calls();
  ASSERT_GT(counts.works_for_a_request, 10u);
  for (std::size_t n = 0; n < counts.works_for_a_request; n += 2) {
    GpuRig rig;
    rig.options.engine.lanes = 1;
    HostFaults faults;
    faults.work = counts.works_to_be_on + n;
    rig.openings.faults.push_back(faults);
    ASSERT_FALSE(rig.add(Architecture::cross_encoder));
    expect_service(rig, "work " + std::to_string(n));
    EXPECT_EQ(rig.openings.opened(), 2u);
  }
}

TEST(GpuFaults, AHangingDeviceCostsItsRequestsTheirTimeAndIsReplaced) {
  const auto counts = count_calls();
  GpuRig rig;
  rig.options.engine.lanes = 1;
  rig.options.engine.patience_ms = rig.options.engine.hang_ms = 1'500;
  HostFaults faults;
  faults.hang = counts.works_to_be_on + 1;
  rig.openings.faults.push_back(faults);
  ASSERT_FALSE(rig.add(Architecture::cross_encoder));
  const auto hanging = rig.openings.latest();
  const auto start = runtime::Clock::now();
  const RequestContext context{"r", Deadline::after(80ms)};
  try {
    rig.await(rig.reranker->score(context, question, testing::texts_of(3)));
    ADD_FAILURE() << "a hanging device answered";
  } catch (const Outage& outage) {
    EXPECT_EQ(outage.error().code, Errc::timeout);
  }
  EXPECT_GE(runtime::Clock::now() - start, 80ms);
  EXPECT_LT(runtime::Clock::now() - start, 1'400ms);
  // Whoever has the time is answered by the CPU once the patience is over.
  const auto passages = testing::texts_of(5);
  const auto scores = rig.await(rig.reranker->score({}, question, passages));
  EXPECT_LE(testing::worst(scores, testing::true_scores(question, passages)), testing::logit_gate);
  EXPECT_TRUE(GpuRig::comes_true([&] { return rig.openings.opened() == 2; }));
  EXPECT_TRUE(GpuRig::comes_back(*rig.hosted));
  EXPECT_EQ(rig.metric("memseal_model_device_faults_total{fault=\"lost\"}"), 1);
  hanging->release_hung();
}

TEST(GpuFaults, TwoModelsOfALostDeviceBothComeBack) {
  GpuRig rig;
  ASSERT_FALSE(rig.add(Architecture::cross_encoder));
  const auto first = rig.hosted;
  ASSERT_FALSE(rig.add(Architecture::encoder));
  const auto second = rig.hosted;
  rig.openings.latest()->lose();
  const auto passages = testing::texts_of(4);
  const auto scores = rig.await(rig.reranker->score({}, question, passages));
  EXPECT_LE(testing::worst(scores, testing::true_scores(question, passages)), testing::logit_gate);
  EXPECT_EQ(rig.await(rig.embedder->embed_query({}, question)).values.size(), 32u);
  ASSERT_TRUE(GpuRig::comes_true([&] { return rig.openings.opened() == 2; }));
  ASSERT_TRUE(GpuRig::comes_back(*first));
  ASSERT_TRUE(GpuRig::comes_back(*second));
  EXPECT_EQ(rig.openings.opened(), 2u);
  EXPECT_TRUE(rig.openings.old_one_is_gone);
  EXPECT_EQ(rig.await(rig.embedder->embed_query({}, question)).values.size(), 32u);
}

TEST(GpuFaults, AModelThatDoesNotFitLeavesTheOtherOneAlone) {
  const auto calls = [] {
    GpuRig rig;
    rig.add(Architecture::encoder);
    return rig.openings.latest()->calls();
  }();
  GpuRig rig;
  HostFaults faults;
  faults.call = calls + 1;
  faults.fault = Fault::out_of_memory;
  rig.openings.faults.push_back(faults);
  ASSERT_FALSE(rig.add(Architecture::encoder));
  const auto first = rig.hosted;
  const auto failure = rig.add(Architecture::cross_encoder);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->fault(), Fault::out_of_memory);
  EXPECT_TRUE(first->is_on());
  expect_service(rig, "the one that did not fit");
  EXPECT_EQ(rig.openings.opened(), 1u);
  EXPECT_EQ(rig.metric("memseal_model_device_faults_total{fault=\"out_of_memory\"}"), 1);
}

TEST(GpuFaults, AMachineWithoutAGpuServesByTheCpuAndDoesNotAskAgain) {
  for (const auto fault :
       {Fault::not_built, Fault::no_driver, Fault::no_device, Fault::too_old, Fault::unsupported}) {
    GpuRig rig;
    rig.openings.refusal = fault;
    const auto failure = rig.add(Architecture::cross_encoder);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->fault(), fault);
    EXPECT_FALSE(rig.hosted);
    EXPECT_EQ(rig.reranker->info().backend, "cpu");
    const auto passages = testing::texts_of(2);
    EXPECT_EQ(rig.await(rig.reranker->score({}, question, passages)).size(), 2u);
    rig.openings.refuse(std::nullopt);
    std::this_thread::sleep_for(30ms);
    EXPECT_EQ(rig.openings.opened(), 0u) << kernels::fault_name(fault);
  }
}

TEST(GpuFaults, WhereAGpuMustBeItsAbsenceIsAnErrorThatNamesTheMend) {
  testing::TempDirectory place;
  testing::write_model(place.path(), testing::tiny_spec(Architecture::encoder));
  for (const auto& [fault, code, fix] :
       {std::tuple(Fault::not_built, Errc::bad_config, "built with CUDA"),
        std::tuple(Fault::no_driver, Errc::bad_config, "install or update the NVIDIA driver"),
        std::tuple(Fault::no_device, Errc::bad_config, "nvidia-smi"),
        std::tuple(Fault::too_old, Errc::bad_config, "compute capability 8.0"),
        std::tuple(Fault::unsupported, Errc::model_unsupported, "choose another model"),
        std::tuple(Fault::out_of_memory, Errc::unavailable, "free memory")}) {
    GpuRig rig;
    rig.openings.refusal = fault;
    LoadOptions options{.device = DeviceChoice::cuda};
    options.gpu = std::make_shared<GpuSupervisor>(rig.openings.opener(), rig.options, nullptr);
    const auto refused = open_embedder(place.path(), rig.pool, options);
    ASSERT_FALSE(refused) << kernels::fault_name(fault);
    EXPECT_EQ(refused.error().code, code) << kernels::fault_name(fault);
    EXPECT_NE(refused.error().message.find(fix), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("model.device"), std::string::npos);
    options.device = DeviceChoice::automatic;
    const auto taken = open_embedder(place.path(), rig.pool, options);
    ASSERT_TRUE(taken);
    EXPECT_EQ((*taken)->info().backend, "cpu");
  }
}

TEST(GpuFaults, AModelOfAnotherShapeIsTheCpusAndSaysWhy) {
  testing::TempDirectory place;
  testing::write_model(place.path(), {.hidden = 36, .layers = 1, .heads = 3, .intermediate = 50,
                                      .positions = 64});
  GpuRig rig;
  LoadOptions options{.device = DeviceChoice::automatic};
  options.gpu = std::make_shared<GpuSupervisor>(rig.openings.opener(), rig.options, nullptr);
  const auto embedder = open_embedder(place.path(), rig.pool, options).value();
  EXPECT_EQ(embedder->info().backend, "cpu");
  EXPECT_NE(embedder->why_cpu().find("hidden size of 36"), std::string::npos)
      << embedder->why_cpu();
  EXPECT_EQ(rig.await(embedder->embed_query({}, question)).values.size(), 36u);
  EXPECT_FALSE(rig.openings.latest()) << "no model computes on the device, so it must be closed";
}

TEST(GpuFaults, ADriverThatGoesAwayLaterIsAskedForAgain) {
  GpuRig rig;
  ASSERT_FALSE(rig.add(Architecture::cross_encoder));
  rig.openings.refuse(Fault::no_driver);
  rig.openings.latest()->lose();
  const auto passages = testing::texts_of(2);
  EXPECT_EQ(rig.await(rig.reranker->score({}, question, passages)).size(), 2u);
  EXPECT_TRUE(GpuRig::comes_true(
      [&] { return rig.metric("memseal_model_device_faults_total{fault=\"no_driver\"}") >= 2; }));
  EXPECT_FALSE(rig.hosted->is_on());
  EXPECT_EQ(rig.metric("memseal_model_device_up{model=\"tiny-reranker\"}"), 0);
  EXPECT_EQ(rig.await(rig.reranker->score({}, question, passages)).size(), 2u);
  EXPECT_GE(rig.metric("memseal_model_device_fallbacks_total{model=\"tiny-reranker\"}"), 2);
  rig.openings.refuse(std::nullopt);
  EXPECT_TRUE(GpuRig::comes_back(*rig.hosted));
  EXPECT_EQ(rig.metric("memseal_model_device_up{model=\"tiny-reranker\"}"), 1);
}

std::size_t count_of(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(GpuFaults, EachChangeOfStateIsOneLogLine) {
  ::testing::internal::CaptureStderr();
  {
    GpuRig rig;
    rig.add(Architecture::cross_encoder);
    const auto first = rig.hosted;
    rig.add(Architecture::encoder);
    rig.openings.refuse(Fault::lost);
    rig.openings.latest()->lose();
    const auto passages = testing::texts_of(2);
    for (int i = 0; i < 3; ++i) {
      rig.await(rig.reranker->score({}, question, passages));
      rig.await(rig.embedder->embed_query({}, question));
    }
    EXPECT_TRUE(GpuRig::comes_true([&] {  // some probes fail, and say nothing
      return rig.metric("memseal_model_device_faults_total{fault=\"lost\"}") >= 4;
    }));
    rig.openings.refuse(std::nullopt);
    EXPECT_TRUE(GpuRig::comes_back(*first));
    EXPECT_TRUE(GpuRig::comes_back(*rig.hosted));
  }
  const auto lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(lines, "gpu.on "), 2u) << lines;
  EXPECT_EQ(count_of(lines, "gpu.off "), 1u) << lines;
  EXPECT_EQ(count_of(lines, "gpu.recovered "), 1u) << lines;
  EXPECT_EQ(count_of(lines, "models=\"tiny-reranker, tiny-embedder\""), 2u) << lines;
  EXPECT_EQ(count_of(lines, "fault=lost"), 1u) << lines;
}

TEST(GpuFaults, ADeviceThatOnlyANewProcessCanUseIsNotProbedForEver) {
  ::testing::internal::CaptureStderr();
  {
    GpuRig rig;
    ASSERT_FALSE(rig.add(Architecture::cross_encoder));
    rig.openings.refuse(Fault::restart);
    rig.openings.latest()->lose();
    const auto passages = testing::texts_of(2);
    EXPECT_EQ(rig.await(rig.reranker->score({}, question, passages)).size(), 2u);
    const std::string faults = "memseal_model_device_faults_total{fault=\"restart\"}";
    EXPECT_TRUE(GpuRig::comes_true([&] { return rig.metric(faults) == 1; }));
    rig.openings.refuse(std::nullopt);
    std::this_thread::sleep_for(50ms);  // six times the longest wait between two probes
    EXPECT_EQ(rig.openings.opened(), 1u);
    EXPECT_FALSE(rig.hosted->is_on());
    EXPECT_EQ(rig.await(rig.reranker->score({}, question, passages)).size(), 2u);
  }
  const auto lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(lines, "gpu.restart_needed "), 1u) << lines;
  EXPECT_NE(lines.find("restart this process"), std::string::npos) << lines;
}

TEST(GpuFaults, AMachineWithoutAGpuSaysSoOnce) {
  ::testing::internal::CaptureStderr();
  {
    GpuRig rig;
    rig.openings.refusal = Fault::no_device;
    rig.add(Architecture::cross_encoder);
    rig.add(Architecture::encoder);
  }
  const auto lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(lines, "gpu.absent "), 1u) << lines;
  EXPECT_EQ(count_of(lines, "gpu.off "), 0u) << lines;
}

}  // namespace
}  // namespace memseal::model
