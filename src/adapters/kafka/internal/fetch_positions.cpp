#include "adapters/kafka/internal/fetch_positions.hpp"

#include "pure/codec/json.hpp"

#include <optional>
#include <utility>

namespace memseal::kafka {

namespace {

namespace json = boost::json;

const json::object* object_in(const json::object& from, std::string_view name) {
  const auto* found = from.if_contains(name);
  return found ? found->if_object() : nullptr;
}

std::optional<std::int64_t> number_in(const json::object& from, std::string_view name) {
  const auto* found = from.if_contains(name);
  const auto* number = found ? found->if_int64() : nullptr;
  return number ? std::optional(*number) : std::nullopt;
}

}  // namespace

std::map<Partition, std::int64_t> fetched_up_to(std::string_view statistics) {
  std::map<Partition, std::int64_t> positions;
  const auto parsed = codec::parse_json(statistics, Errc::internal);
  const auto* root = parsed ? parsed->if_object() : nullptr;
  const auto* topics = root ? object_in(*root, "topics") : nullptr;
  if (!topics) return positions;
  for (const auto& [name, topic] : *topics) {
    const auto* about = topic.if_object();
    const auto* partitions = about ? object_in(*about, "partitions") : nullptr;
    if (!partitions) continue;
    for (const auto& [key, value] : *partitions) {
      const auto* fields = value.if_object();
      if (!fields) continue;
      const auto number = number_in(*fields, "partition"), next = number_in(*fields, "next_offset"),
                 waiting = number_in(*fields, "fetchq_cnt");
      const bool is_read = number && *number >= 0 && next && *next >= 0 && waiting && *waiting == 0;
      if (is_read) positions[{std::string(name), static_cast<std::int32_t>(*number)}] = *next;
    }
  }
  return positions;
}

std::int64_t ReadPositions::behind(const Partition& partition, std::int64_t next, std::int64_t end,
                                   bool is_idle) {
  if (end <= next) return 0;
  // Also where the answer is 0: a partition behind a marker stays there for as long as nobody
  // writes to it, and without new statistics the next count would find it behind again.
  wanted_ = true;
  const auto reaches = [&](const auto& positions) {
    const auto found = positions.find(partition);
    return found != positions.end() && found->second >= end;
  };
  return is_idle && reaches(last_) && reaches(before_) ? 0 : end - next;
}

void ReadPositions::take(std::string_view statistics) {
  before_ = std::move(last_);
  last_.clear();
  if (wanted_) last_ = fetched_up_to(statistics);
}

}  // namespace memseal::kafka
