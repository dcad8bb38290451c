#include "adapters/kafka/internal/producer_topics.hpp"

namespace memseal::kafka {

rd_kafka_topic_t* ProducerTopics::get(const std::string& name) {
  const std::lock_guard lock(mutex_);
  auto& topic = topics_[name];
  if (!topic)
    topic.reset(rd_kafka_topic_new(client_, name.c_str(), placements_.topic_conf(client_)));
  return topic.get();
}

}  // namespace memseal::kafka
