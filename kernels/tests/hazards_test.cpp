// What a real driver punishes and plain C++ would not: captures and threads, callbacks, patience.
#include "choice.hpp"
#include "engine_rig.hpp"

#include <thread>

namespace memseal::kernels {
namespace {

TEST_F(EngineTest, AFaultWithinACaptureLeavesTheThreadThatMetItUsable) {
  for (const std::size_t call : {0, 1, 7, 13}) {
    const auto failing = std::make_shared<HostDevice>(HostFaults{.captured = call});
    auto engine = std::make_unique<Engine>(failing, shape, bert.reader(), options(1));
    EXPECT_THROW(engine->run(draw({3})), DeviceError) << call;
    // As the supervisor does it: on a thread of its own.
    std::thread([&] { engine.reset(); }).join();
    EXPECT_EQ(failing->live(), 0u) << "leaked with its capture";
    const auto batch = draw({4, 5});
    Engine fresh(failing, shape, bert.reader(), options(1));
    expect_right(batch, fresh.run(batch));
  }
}

TEST_F(EngineTest, NoThreadHoldsWhatACallbackNeedsWhileItCallsTheDevice) {
  // Each callback comes while a call of the device already waits for it to return.
  device->before_callback = [this] {
    while (device->waiting_for_callback() == 0) std::this_thread::sleep_for(1ms);
  };
  Engine engine(device, shape, bert.reader(), options(1));
  const auto batch = draw({5});
  expect_right(batch, engine.run(batch));
  EXPECT_EQ(engine.failure(), nullptr);
}

TEST_F(EngineTest, NoCodeOfACallerRunsOnAThreadOfTheDriver) {
  Engine engine(device, shape, bert.reader(), options(2));
  engine.run(draw({3}));
  for (int i = 0; i < 20; ++i) {
    std::promise<bool> inside;
    Request request;
    request.batch = draw({3});
    request.done = [&](const std::vector<float>&, const std::exception_ptr&) {
      inside.set_value(HostDevice::inside_callback());
    };
    engine.submit(std::move(request));
    EXPECT_FALSE(inside.get_future().get());
  }
}

/// Takes its time to choose products, as one whose code is not loaded yet.
class SlowToChoose final : public HostDevice {
 public:
  void choose(const Gemm& work) override {
    if (!slept_.exchange(true)) std::this_thread::sleep_for(1'500ms);
    HostDevice::choose(work);
  }

 private:
  std::atomic<bool> slept_ = false;
};

TEST_F(EngineTest, WhatPrecedesABatchDoesNotCountAsItsTime) {
  const auto slow = std::make_shared<SlowToChoose>();
  auto with = options(1);
  with.patience_ms = 1'000;
  Engine engine(slow, shape, bert.reader(), with);
  const auto batch = draw({3});
  expect_right(batch, engine.run(batch));
  EXPECT_EQ(engine.failure(), nullptr);
}

TEST_F(EngineTest, ADeviceThatIsOnlyLateIsLostButNotAbandoned) {
  Gate gate;
  device->before_work = [&] { gate.wait(); };
  auto with = options(1);
  with.graphs = false;
  with.patience_ms = 150;
  auto engine = std::make_unique<Engine>(device, shape, bert.reader(), with);
  Answer answer;
  submit(*engine, draw({3}), answer);
  EXPECT_THROW(answer.future.get(), DeviceError);
  std::thread other([&] {  // another process gives the device back after a while
    std::this_thread::sleep_for(300ms);
    gate.open();
  });
  engine.reset();
  other.join();
  EXPECT_FALSE(device->abandoned()) << "this process could never open it again";
  EXPECT_EQ(device->live(), 0u);
}

TEST_F(EngineTest, ManyCallersWithoutGraphsEachGetTheirOwnScores) {
  auto with = options(2);
  with.graphs = false;
  Engine engine(device, shape, bert.reader(), with);
  std::vector<std::thread> callers;
  std::atomic<int> wrong = 0;
  std::vector<Batch> batches;
  std::vector<std::vector<float>> wanted;
  for (std::size_t i = 0; i < 8; ++i) {
    batches.push_back(draw({1 + i, 9}));
    wanted.push_back(bert.run(batches.back()));
  }
  for (std::size_t t = 0; t < 8; ++t)
    callers.emplace_back([&, t] {
      for (std::size_t i = 0; i < 20; ++i) {
        const auto which = (t + i) % batches.size();
        const auto got = engine.run(batches[which]);
        for (std::size_t k = 0; k < got.size(); ++k)
          if (!(std::abs(got[k] - wanted[which][k]) <= 0.02f)) ++wrong;
      }
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

float throw_fault(Fault fault) { throw DeviceError(fault, "a trial failed"); }

TEST(Choice, TheFastestCandidateIsChosenAndThoseThatCannotRunAreSkipped) {
  const std::vector<float> took{9, 0, 4, 0, 6};
  std::size_t tried = 0;
  const auto best = fastest(took.size(), [&](std::size_t i) {
    ++tried;
    if (took[i] == 0) return throw_fault(i == 1 ? Fault::unsupported : Fault::internal);
    return took[i];
  });
  EXPECT_EQ(best, 2u);
  EXPECT_EQ(tried, took.size());
}

TEST(Choice, FailsWhenNoCandidateIsLeftAndAtOnceWhereTheDeviceIsLost) {
  const auto fault_after = [](std::size_t count, Fault fault, std::size_t& tried) {
    try {
      fastest(count, [&](std::size_t) { return ++tried, throw_fault(fault); });
    } catch (const DeviceError& error) {
      return error.fault();
    }
    return Fault::not_built;
  };
  std::size_t tried = 0;
  EXPECT_EQ(fault_after(3, Fault::unsupported, tried), Fault::unsupported);
  EXPECT_EQ(tried, 3u);
  for (const auto fault : {Fault::lost, Fault::restart, Fault::out_of_memory}) {
    tried = 0;
    EXPECT_EQ(fault_after(3, fault, tried), fault);
    EXPECT_EQ(tried, 1u);
  }
}

TEST(Choice, ErrorsOfCudaBecomeFaultsThatTellWhatHelps) {
  EXPECT_EQ(fault_of_cuda(2), Fault::out_of_memory);
  EXPECT_EQ(fault_of_cuda(100), Fault::no_device);
  EXPECT_EQ(fault_of_cuda(803), Fault::no_driver);
  EXPECT_EQ(fault_of_cuda(209), Fault::unsupported) << "no code for this GPU: no retry helps";
  EXPECT_EQ(fault_of_cuda(802), Fault::lost) << "the fabric manager still starts: a retry helps";
  EXPECT_EQ(fault_of_cuda(721), Fault::lost);
  EXPECT_EQ(fault_of_cuda(1), Fault::internal);
  EXPECT_TRUE(outlives_a_reset(700));
  EXPECT_FALSE(outlives_a_reset(46)) << "another process has the device";
  EXPECT_EQ(fault_of_cublas(3), Fault::out_of_memory);
  EXPECT_EQ(fault_of_cublas(13), Fault::lost);
  EXPECT_EQ(fault_of_cublas(15), Fault::unsupported) << "one model, not the device";
  EXPECT_EQ(fault_of_cublas(14), Fault::internal);
}

}  // namespace
}  // namespace memseal::kernels
