#pragma once
// Blocking calls for set-up and diagnosis. Thread: a command or a pool thread, never a loop.
#include "adapters/kafka/client.hpp"
#include "base/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace memseal::kafka {

/// A topic to create. -1 and 0 leave the choice to the broker.
struct TopicSpec {
  std::string name;
  int partitions = -1;
  int replication = -1;
  std::chrono::hours retention{0};
  bool has_broker_time = false;  ///< records get the time at which the broker appends them
};

/// Creates the topics that do not exist. Never changes a topic that exists.
/// Errors: unavailable (no broker answered), bad_config (a topic was refused; the message names the
/// cause).
Result<void> ensure_topics(const ClientOptions& client, const std::vector<TopicSpec>& topics,
                           std::chrono::milliseconds timeout = std::chrono::seconds(15));

struct BrokerView {
  std::int32_t id = 0;
  std::string host;        ///< as the broker advertises itself
  int port = 0;
  bool reachable = false;  ///< a TCP connection to host:port opened
  std::string why = {};    ///< why it is not reachable
};

struct TopicView {
  std::string name;
  int partitions = 0;      ///< 0: the topic does not exist
  int replicas = 0;        ///< of the partition that has fewest
  // Empty where the broker does not tell.
  std::optional<int> replicas_in_sync_min = {};  ///< min.insync.replicas
  std::optional<std::int64_t> retention_ms = {};  ///< -1: without end
  bool is_compacted = false;
  std::optional<bool> has_broker_time = {};  ///< records have the time of their append
};

struct ClusterView {
  std::vector<BrokerView> brokers;
  std::vector<TopicView> topics;  ///< one for each name asked for, in that order
};

/// Asks the bootstrap brokers for the cluster, then connects to each advertised listener, because a
/// broker that answers but advertises an address this machine cannot reach is the commonest fault.
/// Errors: unavailable; the message names the brokers that were tried and the fix.
Result<ClusterView> probe_cluster(const ClientOptions& client,
                                  const std::vector<std::string>& topics,
                                  std::chrono::milliseconds timeout = std::chrono::seconds(5));

}  // namespace memseal::kafka
