#include "adapters/kafka/internal/placements.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace memseal::kafka {

namespace {

struct Named {
  std::string_view name;
  Placements::Partitioner partitioner;
};

constexpr std::array named{Named{"random", rd_kafka_msg_partitioner_random},
                           Named{"consistent", rd_kafka_msg_partitioner_consistent},
                           Named{"consistent_random", rd_kafka_msg_partitioner_consistent_random},
                           Named{"murmur2", rd_kafka_msg_partitioner_murmur2},
                           Named{"murmur2_random", rd_kafka_msg_partitioner_murmur2_random},
                           Named{"fnv1a", rd_kafka_msg_partitioner_fnv1a},
                           Named{"fnv1a_random", rd_kafka_msg_partitioner_fnv1a_random}};

}  // namespace

rd_kafka_topic_conf_t* Placements::topic_conf(rd_kafka_t* client) {
  auto* conf = rd_kafka_default_topic_conf_dup(client);
  std::array<char, 64> name{};
  auto size = name.size();
  rd_kafka_topic_conf_get(conf, "partitioner", name.data(), &size);
  const std::lock_guard lock(mutex_);
  partitioner_ = rd_kafka_msg_partitioner_consistent_random;
  for (const auto& one : named)
    if (one.name == name.data()) partitioner_ = one.partitioner;
  rd_kafka_topic_conf_set_opaque(conf, this);
  rd_kafka_topic_conf_set_partitioner_cb(conf, &Placements::place);
  return conf;
}

void Placements::put(PendingPublishes::Ticket ticket, std::string placed_by) {
  const std::lock_guard lock(mutex_);
  placed_by_[ticket] = std::move(placed_by);
}

void Placements::drop(PendingPublishes::Ticket ticket) {
  const std::lock_guard lock(mutex_);
  placed_by_.erase(ticket);
}

std::int32_t Placements::place(const rd_kafka_topic_t* topic, const void* key,
                               std::size_t key_bytes, std::int32_t partitions, void* self,
                               void* ticket) {
  auto& placements = *static_cast<Placements*>(self);
  const std::lock_guard lock(placements.mutex_);
  const auto found =
      placements.placed_by_.find(reinterpret_cast<PendingPublishes::Ticket>(ticket));
  if (found != placements.placed_by_.end()) {
    key = found->second.data();
    key_bytes = found->second.size();
  }
  return placements.partitioner_(topic, key, key_bytes, partitions, nullptr, nullptr);
}

}  // namespace memseal::kafka
