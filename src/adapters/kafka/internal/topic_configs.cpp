#include "adapters/kafka/internal/topic_configs.hpp"

namespace memseal::kafka {

namespace {

using ConfigResource =
    std::unique_ptr<rd_kafka_ConfigResource_t, FreeWith<rd_kafka_ConfigResource_destroy>>;

TopicConfig config_of(const rd_kafka_ConfigResource_t* resource) {
  TopicConfig config;
  std::size_t count = 0;
  const auto* const* entries = rd_kafka_ConfigResource_configs(resource, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (value) config.emplace(rd_kafka_ConfigEntry_name(entries[i]), value);
  }
  return config;
}

}  // namespace

std::map<std::string, TopicConfig> describe_topics(rd_kafka_t* client,
                                                   const std::vector<std::string>& topics,
                                                   std::chrono::milliseconds timeout) {
  std::map<std::string, TopicConfig> found;
  if (topics.empty()) return found;
  // `wanted` is the array that the C API reads; `owned` frees its elements.
  std::vector<ConfigResource> owned;
  std::vector<rd_kafka_ConfigResource_t*> wanted;
  for (const auto& topic : topics) {
    owned.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
    wanted.push_back(owned.back().get());
  }
  const AdminOptions options(
      rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  char why[256] = "";
  const int timeout_ms = static_cast<int>(timeout.count());
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, why, sizeof why);
  const Queue answers(rd_kafka_queue_new(client));
  rd_kafka_DescribeConfigs(client, wanted.data(), wanted.size(), options.get(), answers.get());
  const Event event(rd_kafka_queue_poll(answers.get(), timeout_ms));
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return found;
  std::size_t count = 0;
  const auto* const* resources = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (rd_kafka_ConfigResource_error(resources[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    found.emplace(rd_kafka_ConfigResource_name(resources[i]), config_of(resources[i]));
  }
  return found;
}

}  // namespace memseal::kafka
