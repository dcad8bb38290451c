#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace memseal::kafka {

/// Kafka brokers inside this process, on free loopback ports: for `memseal dev`, the demo and unit
/// tests. Holds everything in memory, keeps the newest 5 MiB of a partition, forgets all when
/// destroyed; any Kafka client may connect meanwhile. Any thread.
class EmbeddedBroker {
 public:
  /// Throws Outage{unavailable} when no port can be opened.
  explicit EmbeddedBroker(int brokers = 1);
  ~EmbeddedBroker();
  EmbeddedBroker(const EmbeddedBroker&) = delete;
  EmbeddedBroker& operator=(const EmbeddedBroker&) = delete;

  /// "127.0.0.1:port", comma separated.
  const std::string& bootstrap() const noexcept;
  /// Makes a topic that no client has used yet. Throws Refused{internal} when it exists already.
  void create_topic(const std::string& name, int partitions);

  // Faults, for tests.
  /// The next requests of this Kafka protocol number (0 produce, 1 fetch, 8 offset commit, …)
  /// answer with these Kafka error codes, one each. 0 lets one through; -195 closes the connection.
  void fail_next(std::int16_t api, const std::vector<int>& errors);
  /// Cuts all connections and refuses new ones, or accepts them again.
  void set_up(bool up);
  /// Adds a delay to every answer.
  void set_delay(std::chrono::milliseconds delay);

 private:
  struct Cluster;
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace memseal::kafka
