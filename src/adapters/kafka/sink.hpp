#pragma once
#include "adapters/kafka/client.hpp"
#include "base/result.hpp"
#include "ports/event_sink.hpp"
#include "runtime/metrics.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
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
  std::size_t outstanding_max = 10'000;                ///< records not yet confirmed
  std::chrono::milliseconds publish_timeout{30'000};  ///< of a record whose context has no deadline
  std::chrono::milliseconds linger{2};
  std::chrono::milliseconds stop_wait{5'000};          ///< for unconfirmed records at the end
};

/// An idempotent producer, acks=all, as an EventSink.
///
/// publish() may be called from any executor of any thread while run() is under way; run() and
/// request_stop() belong to the executor given to open(). Executors that call publish() outlive
/// the sink. Records of one key keep their order when each waits for the one before.
class KafkaSink final : public ports::EventSink {
 public:
  /// Connects to nothing yet. Errors: bad_config, naming the property.
  static Result<std::unique_ptr<KafkaSink>> open(const asio::any_io_executor& executor,
                                                 SinkOptions options, runtime::Metrics& metrics);
  ~KafkaSink() override;

  /// Serves delivery reports until request_stop() or cancellation; then flushes for at most
  /// stop_wait. Call once.
  asio::awaitable<void> run();
  void request_stop();

  /// Throws beyond the port's codes: Outage{overloaded} (too many outstanding),
  /// Outage{shutting_down}, Refused{payload_too_large} (no broker will ever take this record).
  asio::awaitable<void> publish(runtime::RequestContext context, ports::OutRecord record) override;

  /// Whether a broker was connected at the last look. Any thread.
  bool connected() const noexcept;

  class Impl;

 private:
  explicit KafkaSink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::kafka
