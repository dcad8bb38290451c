#pragma once
#include <map>
#include <string>

namespace memseal::kafka {

/// How to reach a cluster.
struct ClientOptions {
  std::string brokers;                               ///< "host:port", comma separated
  /// librdkafka properties as they are (security.protocol, sasl.*, ssl.*, …). The properties that
  /// the delivery guarantees rest on are refused with bad_config.
  std::map<std::string, std::string> properties = {};
};

}  // namespace memseal::kafka
