#pragma once
// Signs what the service itself publishes, so that its events pass where others must sign too.
#include "adapters/kafka/sink.hpp"
#include "ports/event_sink.hpp"
#include "pure/producers/signature.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/awaitable.hpp>

namespace memseal::app {

/// Adds a signature to each record of an event, and hands all records on. It stands in front of the
/// Kafka sink because the signature covers the topic, which the use cases do not know.
/// Thread: that of the sink. Time: one SHA-256 of the value and one HMAC, on the caller's thread.
class SigningSink final : public ports::EventSink {
 public:
  /// `now_ms`: the time by which brokers stamp records, as far as it is known.
  SigningSink(ports::EventSink& sink, kafka::ChannelTopics topics, producers::Signer signer,
              runtime::WallClock now_ms);

  boost::asio::awaitable<void> publish(runtime::RequestContext context,
                                       ports::OutRecord record) override;
  bool reachable() const noexcept override { return sink_.reachable(); }

 private:
  ports::EventSink& sink_;
  const kafka::ChannelTopics topics_;
  const producers::Signer signer_;
  const runtime::WallClock now_ms_;
};

}  // namespace memseal::app
