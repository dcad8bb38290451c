#pragma once
#include "adapters/kafka/client.hpp"
#include "base/result.hpp"
#include "ports/event_sink.hpp"
#include "runtime/metrics.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace memseal::kafka {

namespace asio = boost::asio;

/// A dead letter goes to the topic of the refused record with this suffix.
inline constexpr std::string_view dead_letter_suffix = ".dlq";

/// Topics of the channels. A channel without a topic cannot be published to.
struct ChannelTopics {
  std::string upload = {};
  std::string chat = {};
  std::string status = {};
};

struct SinkOptions {
  ClientOptions client;
  ChannelTopics topics = {};
  std::size_t outstanding_max = 10'000;               ///< records not yet confirmed
  std::chrono::milliseconds publish_timeout{30'000};  ///< of a record whose context has no deadline
  std::chrono::milliseconds linger{2};
  std::chrono::milliseconds stop_wait{2'000};         ///< for unconfirmed records at the end
};

/// An idempotent producer, acks=all, as an EventSink.
///
/// Thread: run() and request_stop() on the executor given to open(); the others any.
/// REQUIRES: run() is under way during publish(); executors that call publish() outlive the sink.
/// Order: records of one key keep their order when each publish() waits for the one before.
class KafkaSink final : public ports::EventSink {
 public:
  /// Does not wait for a broker. Errors: bad_config, naming the property.
  static Result<std::unique_ptr<KafkaSink>> open(const asio::any_io_executor& executor,
                                                 SinkOptions options, runtime::Metrics& metrics);
  ~KafkaSink() override;

  /// Connects to a broker, so that the first publish() does not wait for what a fresh client does:
  /// connect, learn the cluster and the topics of the channels, get a producer id.
  /// Blocks; for the set-up, before run(). Publishing works without this call too.
  /// Error: unavailable (no broker answered within `timeout`).
  Result<void> connect(std::chrono::milliseconds timeout);

  /// Serves delivery reports until request_stop() or cancellation; then flushes for at most
  /// stop_wait. Call once.
  /// Throws Refused{bad_config} when the client can never send again: the broker denies idempotent
  /// writes, or another producer fenced this one.
  asio::awaitable<void> run();
  void request_stop();

  /// Throws beyond the port's codes: Outage{overloaded} (too many outstanding),
  /// Outage{shutting_down}, Refused{payload_too_large} (no broker will ever take this record),
  /// Refused{bad_config} (the broker denies access to the topic, or run() threw).
  asio::awaitable<void> publish(runtime::RequestContext context, ports::OutRecord record) override;

  /// Whether a broker was connected at the last statistics, which are at most 2 s old.
  bool connected() const noexcept;
  /// False once no broker was connected at two statistics in turn: a reconnect alone may hide
  /// between two looks.
  bool reachable() const noexcept override;
  /// How far the brokers' clock is ahead of this machine's; 0 while unknown. It shows by records of
  /// topics with message.timestamp.type=LogAppendTime, as the status topic is created.
  std::int64_t broker_ahead_ms() const noexcept;

  class Impl;

 private:
  explicit KafkaSink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::kafka
