// The queue before the lanes, and what happens to requests when the device fails.
#include "engine_rig.hpp"

#include <thread>

namespace memseal::kernels {
namespace {

TEST_F(EngineTest, ALoneRequestStartsAtOnceWhileItsCallerIsStillThere) {
  Gate gate;
  device->before_work = [&] { gate.wait(); };
  Engine engine(device, shape, bert.reader(), [] {
    auto with = options();
    with.graphs = false;
    return with;
  }());
  Answer answer;
  const auto batch = draw({5, 6});
  submit(engine, batch, answer);
  EXPECT_EQ(engine.counters().batches, 1u) << "before submit() came back";
  EXPECT_EQ(engine.counters().waiting, 0u);
  gate.open();
  expect_right(batch, answer.future.get());
}

TEST_F(EngineTest, RequestsThatWaitShareTheNextBatch) {
  Engine engine(device, shape, bert.reader(), options(1));
  engine.run(draw({3}));  // captures
  Gate gate;
  device->before_work = [&] { gate.wait(); };
  Answer first;
  std::vector<Answer> others(5);
  std::vector<Batch> batches;
  submit(engine, draw({9}), first);
  gate.until_somebody_waits();
  for (auto& other : others) {
    batches.push_back(draw({7, 20}));
    submit(engine, batches.back(), other);
  }
  EXPECT_EQ(engine.counters().waiting, 5u);
  gate.open();
  for (std::size_t i = 0; i < others.size(); ++i) expect_right(batches[i], others[i].future.get());
  EXPECT_EQ(engine.counters().batches, 3u) << "one alone, one alone, one of five";
  EXPECT_EQ(engine.counters().shared_batches, 1u);
}

TEST_F(EngineTest, ABatchIsSharedUpToItsTokensAndSequences) {
  Engine engine(device, shape, bert.reader(), options(1));
  engine.run(draw({3}));
  Gate gate;
  device->before_work = [&] { gate.wait(); };
  Answer first;
  submit(engine, draw({9}), first);
  gate.until_somebody_waits();
  std::vector<Answer> long_ones(5), many(3);
  for (auto& answer : long_ones) submit(engine, draw({60, 60}), answer);  // 120 of 256
  for (auto& answer : many)
    submit(engine, draw(std::vector<std::size_t>(7, 2)), answer);  // 7 of 16
  gate.open();
  for (auto* answers : {&long_ones, &many})
    for (auto& answer : *answers) answer.future.get();
  // 2 + 2 + (1 long with 2 of seven: 16 sequences) + 1
  EXPECT_EQ(engine.counters().batches, 2u + 4u);
}

TEST_F(EngineTest, AnUrgentRequestGoesBeforeThoseThatWait) {
  Engine engine(device, shape, bert.reader(), [] {
    auto with = options(1);
    with.batch_tokens = 8;  // requests never share a batch
    return with;
  }());
  engine.run(draw({3}));
  Gate gate;
  device->before_work = [&] { gate.wait(); };
  Answer running, plain, urgent;
  std::vector<int> order;
  submit(engine, draw({9}), running);
  gate.until_somebody_waits();
  const auto note = [&order](Answer& answer, int number) {
    return [&order, &answer, number](std::vector<float> values, std::exception_ptr failure) {
      order.push_back(number);
      answer.done()(std::move(values), failure);
    };
  };
  engine.submit({draw({9}), note(plain, 1), {}, false});
  engine.submit({draw({9}), note(urgent, 2), {}, true});
  gate.open();
  plain.future.get();
  urgent.future.get();
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
}

TEST_F(EngineTest, ARequestLargerThanABatchTakesSeveralAndComesBackWhole) {
  Engine engine(device, shape, bert.reader(), options(2));
  std::vector<std::size_t> lengths(150);
  for (auto& length : lengths) length = 1 + random.below(64);
  const auto batch = draw(lengths);
  expect_right(batch, engine.run(batch));
  EXPECT_GE(engine.counters().batches, 150u / 16);
}

TEST_F(EngineTest, WhatNobodyWantsAnyMoreIsDroppedWhenItsTurnComes) {
  Engine engine(device, shape, bert.reader(), options(1));
  engine.run(draw({3}));
  Gate gate;
  device->before_work = [&] { gate.wait(); };
  Answer running, gone, other;
  std::atomic<bool> wanted = true;
  submit(engine, draw({9}), running);
  gate.until_somebody_waits();
  submit(engine, draw({9}), gone, false, [&] { return wanted.load(); });
  const auto batch = draw({4});
  submit(engine, batch, other);
  wanted = false;
  gate.open();
  expect_right(batch, other.future.get());
  EXPECT_THROW(gone.future.get(), DeviceError);
  EXPECT_EQ(engine.counters().dropped, 1u);
}

TEST_F(EngineTest, AThousandRequestsOfManyThreadsEachGetTheirOwnScores) {
  Engine engine(device, shape, bert.reader(), options(2));
  constexpr std::size_t threads = 16, each = 63;
  std::vector<Batch> batches;
  std::vector<std::vector<float>> wanted;
  for (std::size_t i = 0; i < 24; ++i) {
    std::vector<std::size_t> lengths(1 + random.below(6));
    for (auto& length : lengths) length = 1 + random.below(20);
    batches.push_back(draw(lengths));
    wanted.push_back(bert.run(batches.back()));
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (std::size_t t = 0; t < threads; ++t)
    callers.emplace_back([&, t] {
      for (std::size_t i = 0; i < each; ++i) {
        const auto which = (t * 7 + i) % batches.size();
        const auto got = engine.run(batches[which]);
        bool right = got.size() == wanted[which].size();
        for (std::size_t k = 0; right && k < got.size(); ++k)
          right = std::abs(got[k] - wanted[which][k]) <= 0.02f;
        if (!right) ++wrong;
      }
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  const auto counters = engine.counters();
  EXPECT_EQ(counters.requests, threads * each);
  EXPECT_LT(counters.batches, counters.requests) << "none was shared";
}

TEST_F(EngineTest, WarmingCapturesWhatTrafficWillNeed) {
  auto with = options(1);
  with.warm = true;
  with.sequences_max = EngineOptions().sequences_max;
  Engine engine(device, shape, bert.reader(), with);
  const auto captured = engine.counters().captures;
  EXPECT_GT(captured, 0u);
  for (const std::size_t count : {1, 3, 16, 24, 72, 96})  // a question, some, candidates, shared
    for (const std::size_t length : {1, 20, 21})
      engine.run(draw(std::vector<std::size_t>(count, length)));
  EXPECT_EQ(engine.counters().captures, captured) << "a request had to wait for a capture";
}

TEST_F(EngineTest, MalformedBatchesAreRefusedBeforeTheDeviceSeesThem) {
  Engine engine(device, shape, bert.reader(), options(1));
  const auto refused = [&](auto change) {
    auto batch = draw({5, 6});
    change(batch);
    EXPECT_THROW(engine.run(batch), std::invalid_argument);
  };
  refused([](Batch& b) { b = {}; });
  refused([](Batch& b) { b.ids[3] = -1; });
  refused([](Batch& b) { b.ids[3] = 40; });
  refused([](Batch& b) { b.starts[1] = 0; });
  refused([](Batch& b) { b.starts[2] = 12; });
  refused([](Batch& b) { b.starts.pop_back(); });
  EXPECT_THROW(engine.run(draw({65})), std::invalid_argument);
  EXPECT_EQ(engine.counters().batches, 0u);
}

/// Runs an engine's whole life on a device with these faults. Whatever happens, every caller gets
/// exactly one answer and nothing leaks (the device aborts otherwise).
void live_with(HostFaults faults, const Shape& shape, const RandomBert& bert, bool& failed) {
  const auto device = std::make_shared<HostDevice>(faults);
  Random random(1);
  failed = false;
  std::vector<Answer> answers(4);
  try {
    auto with = options(2);
    with.patience_ms = 2'000;
    Engine engine(device, shape, bert.reader(), with);
    for (auto& answer : answers) submit(engine, draw_batch(random, shape, {3, 9}), answer);
    for (auto& answer : answers) {
      try {
        EXPECT_EQ(answer.future.get().size(), 2u);
      } catch (const DeviceError& error) {
        failed = true;
        EXPECT_NE(engine.failure(), nullptr);
        EXPECT_THROW(engine.run(draw_batch(random, shape, {3})), DeviceError) << "it stays failed";
      }
    }
  } catch (const DeviceError&) {
    failed = true;  // while the engine was made
  }
  for (const auto& answer : answers) EXPECT_LE(answer.heard, 1);
  EXPECT_EQ(device->live(), 0u);
}

TEST_F(EngineTest, WhicheverCallFailsEverybodyHearsOfItAndNothingIsLeftBehind) {
  bool failed = true;
  for (const auto fault : {Fault::out_of_memory, Fault::lost, Fault::internal})
    for (std::size_t call = 0; call < 220; call += fault == Fault::out_of_memory ? 1 : 4) {
      live_with({.call = call, .fault = fault}, shape, bert, failed);
      if (call < 40) {
        EXPECT_TRUE(failed) << "weights and lanes need more calls than " << call;
      }
    }
}

TEST_F(EngineTest, ADeviceThatBreaksWhileItWorksFailsWhatRanAndWhatWaited) {
  bool failed = true;
  for (std::size_t work = 0; work < 60; work += 3) {
    live_with({.work = work}, shape, bert, failed);
    EXPECT_TRUE(failed) << work;
  }
}

TEST_F(EngineTest, ADeviceThatHangsIsGivenUpAfterThePatienceAndItsMemoryIsKept) {
  const auto hung = std::make_shared<HostDevice>(HostFaults{.hang = 5});
  auto with = options(1);
  with.patience_ms = with.hang_ms = 150;
  const auto started = std::chrono::steady_clock::now();
  {
    Engine engine(hung, shape, bert.reader(), [&] {
      auto plain = with;
      plain.graphs = false;
      return plain;
    }());
    try {
      engine.run(draw({4}));
      ADD_FAILURE() << "it answered";
    } catch (const DeviceError& error) {
      EXPECT_EQ(error.fault(), Fault::lost);
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, 30s);
  EXPECT_TRUE(hung->abandoned());
  EXPECT_GT(hung->live(), 0u) << "freed under a device that may still write";
  hung->release_hung();
}

TEST_F(EngineTest, ADeviceThatHangsWhileAnEngineIsMadeIsGivenUpAndNotOpenedOnceMore) {
  const auto hung = std::make_shared<HostDevice>(HostFaults{.hang = 30});
  auto with = options(1);
  with.hang_ms = 100;
  with.warm = true;
  try {
    Engine(hung, shape, bert.reader(), with);
    ADD_FAILURE() << "it was made";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.fault(), Fault::lost);
  }
  EXPECT_TRUE(hung->abandoned());
  EXPECT_GT(hung->live(), 0u) << "freed under a device that may still write";
  hung->release_hung();
}

/// Blocks where the CUDA device times products.
class Sticking final : public HostDevice {
 public:
  std::atomic<bool> stuck = false;
  void choose(const Gemm& work) override {
    while (stuck) std::this_thread::sleep_for(1ms);
    HostDevice::choose(work);
  }
};

TEST_F(EngineTest, ALaunchThatBlocksOnTheEnginesOwnThreadIsGivenUpToo) {
  const auto sticking = std::make_shared<Sticking>();
  auto with = options(1);
  with.patience_ms = with.hang_ms = 150;
  auto engine = std::make_unique<Engine>(sticking, shape, bert.reader(), with);
  engine->run(draw({3}));
  const auto gate = std::make_shared<Gate>();  // stuck work continues after this test
  sticking->before_work = [gate] { gate->wait(); };
  Answer first, second;
  submit(*engine, draw({3}), first);
  gate->until_somebody_waits();
  submit(*engine, draw({60, 60, 60}), second);  // of another size: the engine's thread launches it
  sticking->stuck = true;
  gate->open();
  first.future.wait();
  EXPECT_EQ(second.future.wait_for(10s), std::future_status::ready) << "it never hears";
  EXPECT_NE(engine->failure(), nullptr);
  const auto started = std::chrono::steady_clock::now();
  engine.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - started, 10s) << "it waits for what hangs";
  EXPECT_TRUE(sticking->abandoned());
  sticking->stuck = false;
}

TEST_F(EngineTest, WhatIsLeftOfALargeRequestThatNobodyWantsIsNotComputed) {
  Engine engine(device, shape, bert.reader(), options(1));
  engine.run(draw({3}));
  Gate gate;
  device->before_work = [&] { gate.wait(); };
  Answer large;
  std::atomic<bool> wanted = true;
  submit(engine, draw(std::vector<std::size_t>(160, 2)), large, false,
         [&] { return wanted.load(); });
  gate.until_somebody_waits();
  wanted = false;
  gate.open();
  EXPECT_THROW(large.future.get(), DeviceError);
  EXPECT_EQ(engine.counters().batches, 2u) << "ten batches of 16 sequences";
}

TEST_F(EngineTest, ShuttingDownFailsWhatWaitsAndFinishesWhatRuns) {
  Gate gate;
  Answer running, waiting;
  const auto batch = draw({9});
  std::thread opener;
  {
    Engine engine(device, shape, bert.reader(), options(1));
    engine.run(draw({3}));
    device->before_work = [&] { gate.wait(); };
    submit(engine, batch, running);
    gate.until_somebody_waits();
    submit(engine, draw({4}), waiting);
    opener = std::thread([&] {
      waiting.future.wait();
      gate.open();
    });
  }
  opener.join();
  expect_right(batch, running.future.get());
  EXPECT_THROW(waiting.future.get(), DeviceError);
}

TEST_F(EngineTest, SubmittingFromWithinAnAnswerIsCarriedOutElsewhere) {
  Engine engine(device, shape, bert.reader(), options(1));
  Answer second;
  const auto batch = draw({9});
  std::promise<void> first;
  engine.submit({draw({3}),
                 [&](std::vector<float>, std::exception_ptr) {
                   submit(engine, batch, second);
                   first.set_value();
                 },
                 {},
                 false});
  first.get_future().get();
  expect_right(batch, second.future.get());
}

TEST(NoCuda, OpeningADeviceSaysWhyThereIsNone) {
  if (device_kinds().size() > 1) GTEST_SKIP() << "there is a gpu";
  try {
    open_cuda();
    ADD_FAILURE() << "there is a GPU: set MEMSEAL_GPU_TESTS=1";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.fault() == Fault::not_built || error.fault() == Fault::no_driver ||
                error.fault() == Fault::no_device)
        << error.what();
  }
}

}  // namespace
}  // namespace memseal::kernels
