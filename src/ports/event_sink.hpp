#pragma once
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// What a record is for. The adapter knows the topic of each channel.
enum class Channel {
  upload,       ///< documents to ingest
  chat,         ///< turns of conversations to ingest
  status,       ///< what became of each event
  dead_letter,  ///< events that cannot be ingested, beside the topic they came from
};

/// A record to publish.
struct OutRecord {
  Channel channel = Channel::upload;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string source_topic = {};  ///< of Channel::dead_letter: the topic of the refused record
  std::int64_t timestamp_ms = 0;  ///< of a record that is published again, Unix ms; 0: now
  /// In which partition it lies, by what key; empty: by `key`. For a record whose key is sealed
  /// although its order among others depends on it.
  std::string placed_by = {};
  std::string event_id = {}, event_source = {};  ///< of an event that is signed on its way
};

/// Where events go.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Returns when the broker has confirmed the record (acks=all, idempotent producer).
  /// Throws Outage{unavailable} when it did not within the deadline: the record may or may not be
  /// there. Throws Refused{payload_too_large} when it never will, Refused{bad_config} when the
  /// channel has no topic or the broker denies access to it.
  virtual asio::awaitable<void> publish(runtime::RequestContext context, OutRecord record) = 0;
  /// False while it is known that no record can be delivered, so that a caller who can refuse need
  /// not wait for the deadline. Thread: any.
  virtual bool reachable() const noexcept { return true; }
};

}  // namespace memseal::ports
