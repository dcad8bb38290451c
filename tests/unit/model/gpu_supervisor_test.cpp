// The owner of the GPU, while the GPU works. gpu_faults_test.cpp has the rest.
#include "gpu_rig.hpp"

#include <boost/asio/co_spawn.hpp>

#include <thread>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using testing::GpuRig;
using testing::question;

TEST(GpuSupervisor, SendsNobodyToAGpuThatIsNotWanted) {
  GpuRig rig;
  testing::TempDirectory place;
  testing::write_model(place.path(), testing::tiny_spec(Architecture::cross_encoder));
  const auto reranker = open_reranker(place.path(), rig.pool).value();
  EXPECT_EQ(reranker->info().backend, "cpu");
  EXPECT_TRUE(reranker->why_cpu().empty());
  const std::vector<std::string> passages{"mars"};
  EXPECT_EQ(rig.await(reranker->score({}, question, passages)).size(), 1u);
}

TEST(GpuSupervisor, MayGoWhileRequestsAreInFlight) {
  for (int round = 0; round < 8; ++round) {
    GpuRig rig;
    rig.openings.before_work = [] { std::this_thread::sleep_for(200us); };
    rig.add(Architecture::cross_encoder);
    rig.add(Architecture::encoder);
    const auto ignore = [](std::exception_ptr, const auto&) {};
    for (std::size_t i = 0; i < 30; ++i) {
      asio::co_spawn(rig.loop, rig.reranker->score({}, question, testing::texts_of(3, i)), ignore);
      asio::co_spawn(rig.loop, rig.embedder->embed_query({}, question), ignore);
    }
    rig.loop.run_for(std::chrono::milliseconds(round * 3));
  }
}

}  // namespace
}  // namespace memseal::model
