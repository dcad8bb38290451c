// A reranker on a GPU that works.
#include "gpu_rig.hpp"

#include "runtime/log.hpp"
#include "runtime/task_group.hpp"
#include "support/code_of.hpp"

#include <atomic>
#include <future>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using runtime::Deadline;
using runtime::RequestContext;
using testing::Gate;
using testing::GpuRig;
using testing::question;

using test::code_of;

TEST(GpuReranker, ScoresEachPassageInItsPlaceAndSaysWhatComputesIt) {
  GpuRig rig;
  ASSERT_FALSE(rig.add(Architecture::cross_encoder));
  EXPECT_EQ(rig.reranker->info().backend, "cuda");
  EXPECT_EQ(rig.reranker->info().isa, "host (plain twins) sm_80");
  EXPECT_EQ(rig.reranker->model_name(), "tiny-reranker");
  const auto passages = testing::texts_of(24);
  const auto scores = rig.await(rig.reranker->score({}, question, passages));
  EXPECT_LE(testing::worst(scores, testing::true_scores(question, passages)), testing::logit_gate);
  EXPECT_EQ(rig.metric("memseal_model_device_up{model=\"tiny-reranker\"}"), 1);
  EXPECT_EQ(rig.metric("memseal_model_device_batches_total{model=\"tiny-reranker\"}"), 2);
  EXPECT_EQ(rig.metric("memseal_model_device_fallbacks_total{model=\"tiny-reranker\"}"), 0);
  EXPECT_EQ(rig.metric("memseal_model_device_faults_total{fault=\"lost\"}"), 0);
  const std::vector<std::string> none;
  EXPECT_TRUE(rig.await(rig.reranker->score({}, question, none)).empty());
}

TEST(GpuReranker, CutsPairsAndCutsCallsThatAreLargerThanABatch) {
  GpuRig rig;
  rig.add(Architecture::cross_encoder);
  auto passages = testing::texts_of(90);
  passages[7] = testing::text_of(1, 400);
  const auto scores = rig.await(rig.reranker->score({}, question, passages));
  EXPECT_LE(testing::worst(scores, testing::true_scores(question, passages)), testing::logit_gate);
}

TEST(GpuReranker, AnswersAThousandRequestsOfManyCoroutinesRightly) {
  GpuRig rig;
  rig.add(Architecture::cross_encoder);
  std::vector<std::string> all;
  for (std::size_t i = 0; i < 40; ++i) all.push_back(testing::text_of(i, 1 + i % 7));
  const auto truth = testing::true_scores(question, all);
  std::size_t answered = 0, wrong = 0;
  const auto ask = [&](std::size_t who, std::size_t times) -> asio::awaitable<void> {
    for (std::size_t i = 0; i < times; ++i) {
      std::vector<std::string> passages;
      std::vector<float> wanted;
      for (std::size_t p = 0; p < 1 + (who + i) % 3; ++p) {
        const auto which = (who * 31 + i * 7 + p * 13) % all.size();
        passages.push_back(all[which]);
        wanted.push_back(truth[which]);
      }
      const RequestContext context{"r"};
      const auto got = co_await rig.reranker->score(context, question, passages);
      ++answered;
      if (!(testing::worst(got, wanted) <= testing::logit_gate)) ++wrong;
    }
  };
  const auto all_of_them = [&]() -> asio::awaitable<void> {
    runtime::TaskGroup group(co_await asio::this_coro::executor);
    for (std::size_t who = 0; who < 64; ++who) group.spawn(ask(who, who < 40 ? 16 : 15));
    co_await group.join();
  };
  test::run_to_end(rig.loop, all_of_them(), 300s);
  EXPECT_EQ(answered, 1'000u);
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(rig.metric("memseal_model_device_shared_batches_total{model=\"tiny-reranker\"}"), 0);
  EXPECT_EQ(rig.metric("memseal_model_device_fallbacks_total{model=\"tiny-reranker\"}"), 0);
}

TEST(GpuReranker, GivesUpAtTheDeadlineWhileTheDeviceIsBusy) {
  Gate gate;
  GpuRig rig;
  rig.openings.before_work = [&] { gate.pass(); };
  rig.add(Architecture::cross_encoder);
  gate.close();
  const auto start = runtime::Clock::now();
  EXPECT_EQ(code_of([&] {
              const RequestContext context{"r", Deadline::after(60ms)};
              rig.await(rig.reranker->score(context, question, {"mars"}));
            }),
            Errc::timeout);
  EXPECT_GE(runtime::Clock::now() - start, 60ms);
  EXPECT_LT(runtime::Clock::now() - start, 10s);
  EXPECT_EQ(code_of([&] {
              const RequestContext context{"r", Deadline::after(-1s)};
              rig.await(rig.reranker->score(context, question, {"mars"}));
            }),
            Errc::timeout);
  gate.open();
  EXPECT_EQ(rig.await(rig.reranker->score({}, question, {"mars"})).size(), 1u);
}

TEST(GpuReranker, ACancelledRequestLeavesAtOnceAndIsDropped) {
  Gate gate;
  GpuRig rig;
  rig.options.engine.lanes = 1;
  rig.openings.before_work = [&] { gate.pass(); };
  rig.add(Architecture::cross_encoder);
  gate.close();
  asio::cancellation_signal signal;
  std::exception_ptr first, second;
  bool second_ended = false;
  asio::co_spawn(rig.loop, rig.reranker->score({}, question, {"mars"}),
                 [&](std::exception_ptr failure, const auto&) { first = failure; });
  rig.loop.run_for(1ms);
  gate.wait_for_work();
  asio::co_spawn(rig.loop, rig.reranker->score({}, question, {"mars", "the red planet"}),
                 asio::bind_cancellation_slot(signal.slot(),
                                              [&](std::exception_ptr failure, const auto&) {
                                                second = failure;
                                                second_ended = true;
                                              }));
  rig.loop.restart();
  rig.loop.run_for(20ms);
  signal.emit(asio::cancellation_type::terminal);
  rig.loop.restart();
  while (!second_ended) rig.loop.run_one();
  ASSERT_TRUE(second);
  EXPECT_THROW(std::rethrow_exception(second), boost::system::system_error);
  gate.open();
  rig.loop.restart();
  rig.loop.run();
  EXPECT_FALSE(first);
  EXPECT_TRUE(rig.hosted->is_on());
}

TEST(GpuReranker, LeavesToTheCpuWhatIsTooGreatForFp16) {
  // Finite in the probe; a word whose row overflows fp16 makes it infinite.
  auto spec = testing::tiny_spec(Architecture::cross_encoder);
  testing::TempDirectory place;
  testing::write_model(place.path(), spec);
  auto tensors = testing::random_tensors(spec);
  auto& words = tensors.at("embeddings.word_embeddings.weight");
  std::vector<float> row(spec.hidden, 1e6f);
  std::memcpy(words.bytes.data() + 5 * spec.hidden * 4, row.data(), spec.hidden * 4);  // "a"
  testing::write_file(place.path() / "model.safetensors", testing::safetensors_of(tensors));
  GpuRig rig;
  LoadOptions options{.device = DeviceChoice::cuda};
  options.gpu =
      std::make_shared<GpuSupervisor>(rig.openings.opener(), testing::fast_options(), nullptr);
  const auto reranker = open_reranker(place.path(), rig.pool, options).value();
  EXPECT_EQ(rig.await(reranker->score({}, "mars", {"planet"})).size(), 1u);
  const auto score = rig.await(reranker->score({}, "mars", {"a a a"}));
  ASSERT_EQ(score.size(), 1u);
  EXPECT_TRUE(std::isfinite(score.front()));
}

}  // namespace
}  // namespace memseal::model
