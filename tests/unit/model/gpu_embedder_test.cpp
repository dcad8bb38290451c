// An embedder on a GPU that works.
#include "gpu_rig.hpp"

#include <boost/asio/co_spawn.hpp>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using testing::Gate;
using testing::GpuRig;
using testing::question;

std::vector<ports::EmbedInput> inputs_of(std::size_t count) {
  std::vector<ports::EmbedInput> inputs(count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t t = 0; t < (i * 37) % 140; ++t)
      inputs[i].token_ids.push_back(static_cast<std::int32_t>(5 + (i * 7 + t * 3) % 50));
  return inputs;
}

TEST(GpuEmbedder, EmbedsChunksAndQuestionsAsItsTwin) {
  GpuRig rig;
  ASSERT_FALSE(rig.add(Architecture::encoder));
  EXPECT_EQ(rig.embedder->info().backend, "cuda");
  EXPECT_EQ(rig.embedder->dimension(), 32u);
  EXPECT_EQ(rig.embedder->tokens_max(), 96u);
  CpuEmbedder twin(testing::tiny(Architecture::encoder), rig.pool);
  const auto inputs = inputs_of(50);
  const auto got = rig.await(rig.embedder->embed({}, inputs));
  const auto wanted = rig.await(twin.embed({}, inputs));
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_LE(testing::worst(got[i], wanted[i]), 2e-3) << i;
  const auto vector = rig.await(rig.embedder->embed_query({}, question));
  EXPECT_LE(testing::worst(vector.values, rig.await(twin.embed_query({}, question)).values), 2e-3);
  const std::vector<ports::EmbedInput> none;
  EXPECT_TRUE(rig.await(rig.embedder->embed({}, none)).empty());
}

TEST(GpuEmbedder, AQuestionGoesBeforeChunksThatWait) {
  Gate gate;
  GpuRig rig;
  rig.options.engine.lanes = 1;
  rig.openings.before_work = [&] { gate.pass(); };
  rig.add(Architecture::encoder);
  gate.close();
  std::vector<std::string> order;
  const auto note = [&](std::string what) {
    return [&order, what](std::exception_ptr failure, const auto&) {
      EXPECT_FALSE(failure);
      order.push_back(what);
    };
  };
  const auto wait_till = [&](std::size_t requests) {
    while (rig.loop.run_for(1ms), rig.hosted->requests() < requests) rig.loop.restart();
    rig.loop.restart();
  };
  asio::co_spawn(rig.loop, rig.embedder->embed({}, inputs_of(1)), note("first"));
  wait_till(2);  // the probe was one
  asio::co_spawn(rig.loop, rig.embedder->embed({}, inputs_of(60)), note("chunks"));
  wait_till(3);
  asio::co_spawn(rig.loop, rig.embedder->embed_query({}, question), note("question"));
  wait_till(4);
  gate.open();
  rig.loop.run();
  EXPECT_EQ(order, (std::vector<std::string>{"first", "question", "chunks"}));
}

}  // namespace
}  // namespace memseal::model
