#pragma once
#include "adapters/kafka/internal/handles.hpp"
#include "ports/event_source.hpp"

#include <string>

namespace memseal::kafka {

/// A copy of `message`, which is of `topic`.
ports::Record to_record(const rd_kafka_message_t& message, const std::string& topic);

}  // namespace memseal::kafka
