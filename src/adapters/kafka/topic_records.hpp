#pragma once
// Blocking access to the records that a topic holds. Thread: a command's, never a loop.
#include "adapters/kafka/client.hpp"
#include "base/result.hpp"
#include "ports/event_source.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace memseal::kafka {

/// An offset for each of some partitions.
using PartitionOffsets = std::map<std::int32_t, std::int64_t>;

/// Hands over the records of `topic`, in order per partition, from `from` (empty: every partition
/// from its beginning) to the end that the topic had at the start of the call. `visit` returns
/// false to end early. Joins no group and commits nothing, so that a service that consumes the
/// topic is not disturbed. A topic that does not exist has no records.
/// Errors: unavailable when no record comes for `patience`, bad_config when access is denied.
Result<void> read_topic(const ClientOptions& client, const std::string& topic,
                        const PartitionOffsets& from,
                        const std::function<bool(ports::Record)>& visit,
                        std::chrono::milliseconds patience = std::chrono::seconds(15));

/// Deletes, in each partition, the records below the offset. They are gone for every reader.
/// Errors: unavailable, bad_config; the message names the topic.
Result<void> delete_records(const ClientOptions& client, const std::string& topic,
                            const PartitionOffsets& before,
                            std::chrono::milliseconds timeout = std::chrono::seconds(15));

}  // namespace memseal::kafka
