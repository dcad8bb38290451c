#pragma once
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <utility>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// A record to publish.
struct OutRecord {
  std::string topic;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Where events go: the input topics (HTTP index), dead letters, status.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Returns when the broker has confirmed the record (acks=all, idempotent producer).
  /// Throws Outage{unavailable} when it did not within the deadline: the record may or may not be
  /// there. Throws Refused{payload_too_large} when it never will.
  virtual asio::awaitable<void> publish(runtime::RequestContext context, OutRecord record) = 0;
};

}  // namespace memseal::ports
