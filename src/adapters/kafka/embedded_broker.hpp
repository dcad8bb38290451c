#pragma once
#include <memory>
#include <string>

namespace memseal::kafka {

/// Kafka brokers inside this process, on free loopback ports: for `memseal dev`, the demo and unit
/// tests. Any Kafka client may connect. Thread: any.
/// NOTE: keeps everything in memory, the newest 5 MiB of each partition only, until it is
/// destroyed.
class EmbeddedBroker {
 public:
  /// Throws Outage{unavailable} when no port can be opened.
  explicit EmbeddedBroker(int brokers = 1);
  ~EmbeddedBroker();
  EmbeddedBroker(const EmbeddedBroker&) = delete;
  EmbeddedBroker& operator=(const EmbeddedBroker&) = delete;

  /// "127.0.0.1:port", comma separated.
  const std::string& bootstrap() const noexcept;
  /// Creates a topic that no client has used yet. Throws Refused{internal} when it exists already.
  void create_topic(const std::string& name, int partitions);

 protected:
  struct Cluster;
  Cluster& cluster() noexcept;

 private:
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace memseal::kafka
