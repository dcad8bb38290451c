#pragma once
// What an operator may set of Kafka.
#include "base/setting.hpp"
#include "pure/wire/event_names.hpp"

#include <map>

namespace memseal::kafka {

/// Of section `kafka`; the rest of the section is ingest's.
struct Settings {
  std::string brokers;
  std::string group = "memseal";
  std::string instance_id;  ///< static membership: unique per process, stable over restarts
  std::string upload_topic{wire::upload_event_name};
  std::string chat_topic{wire::chat_event_name};
  std::string status_topic = "memory.status.v1";
  bool create_topics = true;
  // Of topics that are created. -1 and 0: the broker's default.
  std::int64_t partitions = -1, replication = -1;
  std::int64_t retention_h = 168;
  /// Longer than what most topics have, because letters wait for people.
  std::int64_t dead_letter_retention_h = 720;
  std::map<std::string, std::string> properties;  ///< passed to librdkafka as they are

  static SettingRows<Settings> rows();
};

/// Key of the map of librdkafka properties. In YAML it is a section of its own.
inline constexpr std::string_view properties_key = "kafka.properties";

}  // namespace memseal::kafka
