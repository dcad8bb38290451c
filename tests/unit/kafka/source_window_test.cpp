// A partition with much to do does not keep the others from being read.
#include "adapters/kafka/source.hpp"

#include "faulty_broker.hpp"
#include "rig.hpp"

#include <thread>

namespace memseal::kafka {
namespace {

// Takes everything of topic "big" and finishes none of it until the line of topic "small" came.
asio::awaitable<void> hold_big_until_small(KafkaSource& source, FaultyBroker& broker,
                                           std::size_t& big, bool& small) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  std::vector<ports::Batch> held;
  bool published = false;
  while (!small) {
    auto batch = co_await source.next();
    for (const auto& record : batch.records) record.topic == "big" ? ++big : small = true;
    if (!published && big >= 2) {
      published = true;
      std::jthread([&] { produce(broker.bootstrap(), "small", 1); }).join();
    }
    held.push_back(std::move(batch));
  }
  source.request_stop();
  for (const auto& batch : held) source.done(batch);
  co_await tasks.join();
}

TEST(SourceWindow, ReadsAPartitionWhileAnotherHasFilledItsPartOfTheWindow) {
  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;
  broker.create_topic("big", 1);
  broker.create_topic("small", 1);
  produce(broker.bootstrap(), "big", 60, 16, 50'000);
  auto options = source_options(broker.bootstrap(), "big");
  options.topics.push_back("small");
  options.bytes_max = 400'000;
  auto opened = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
  auto source = std::move(opened.value());
  std::size_t big = 0;
  bool small = false;
  test::run_to_end(loop, hold_big_until_small(*source, broker, big, small));
  EXPECT_TRUE(small);
  EXPECT_LT(big, 60u) << "the window held";
}

}  // namespace
}  // namespace memseal::kafka
