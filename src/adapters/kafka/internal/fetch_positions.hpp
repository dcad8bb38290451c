#pragma once
#include "adapters/kafka/internal/assignment.hpp"

#include <cstdint>
#include <map>
#include <string_view>

namespace memseal::kafka {

/// The offset up to which each partition was fetched, of those of which no fetched record waits in
/// the client. `statistics` is librdkafka's JSON (its STATISTICS.md: next_offset, fetchq_cnt).
/// Offsets of what no consumer gets count as fetched: markers of transactions, aborted records.
std::map<Partition, std::int64_t> fetched_up_to(std::string_view statistics);

}  // namespace memseal::kafka
