#pragma once
// Common to the Kafka tests: an embedded broker, producing to it, consuming from it.
#include "adapters/kafka/embedded_broker.hpp"
#include "adapters/kafka/sink.hpp"
#include "adapters/kafka/source.hpp"
#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"

#include <functional>
#include <set>

namespace memseal::kafka {

using Key = std::pair<std::int32_t, std::int64_t>;   // partition, offset

/// A sink of which `topic` is the upload channel.
inline SinkOptions sink_options(const std::string& brokers, const std::string& topic) {
  return {.client = {.brokers = brokers}, .topics = {.upload = topic}};
}

/// Publishes `count` records "r<n>" with `keys` different keys, several at a time.
inline asio::awaitable<void> publish_some(ports::EventSink& sink, int first, int count, int step,
                                          int keys, std::size_t padding) {
  for (int i = first; i < count; i += step) {
    ports::OutRecord record{.channel = ports::Channel::upload,
                            .key = "user-" + std::to_string(i % keys),
                            .value = "r" + std::to_string(i) + std::string(padding, '.'),
                            .headers = {}};
    record.headers.emplace_back("n", std::to_string(i));
    runtime::RequestContext context{.id = "t"};
    co_await sink.publish(std::move(context), std::move(record));
  }
}

inline asio::awaitable<void> fill(KafkaSink& sink, int count, int keys = 16,
                                  std::size_t padding = 0) {
  constexpr int lanes = 64;
  const auto executor = co_await asio::this_coro::executor;
  runtime::TaskGroup service(executor), lanes_group(executor);
  service.spawn(sink.run());
  for (int lane = 0; lane < lanes; ++lane)
    lanes_group.spawn(publish_some(sink, lane, count, lanes, keys, padding));
  co_await lanes_group.join();
  sink.request_stop();
  co_await service.join();
}

/// Puts records on the embedded broker and returns when all are confirmed.
inline void produce(const std::string& brokers, const std::string& topic, int count,
                    int keys = 16, std::size_t padding = 0) {
  asio::io_context loop(1);
  runtime::Metrics metrics;
  auto sink = KafkaSink::open(loop.get_executor(), sink_options(brokers, topic), metrics);
  test::run_to_end(loop, fill(*sink.value(), count, keys, padding));
}

inline SourceOptions source_options(const std::string& brokers, const std::string& topic) {
  SourceOptions options{.client = {.brokers = brokers}, .group = "memory", .topics = {topic}};
  options.client.properties = {{"topic.metadata.refresh.interval.ms", "500"},
                               {"heartbeat.interval.ms", "200"},
                               {"session.timeout.ms", "1500"},
                               {"fetch.wait.max.ms", "20"}};
  return options;
}

/// Takes batches and calls `see` for each record; done() each batch; ends when `see` is false or
/// the source stops.
inline asio::awaitable<void> consume(KafkaSource& source,
                                     std::function<bool(const ports::Record&)> see) {
  bool more = true;
  while (more) {
    const auto batch = co_await source.next();
    if (batch.records.empty()) co_return;
    for (const auto& record : batch.records) more = see(record) && more;
    source.done(batch);
  }
}

/// A source, its consumer, and its end.
inline asio::awaitable<void> consume_and_stop(KafkaSource& source,
                                              std::function<bool(const ports::Record&)> see) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  co_await consume(source, std::move(see));
  source.request_stop();
  co_await tasks.join();
}

}  // namespace memseal::kafka
