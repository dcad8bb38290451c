#pragma once
// Errors of a Kafka client that are permanent, so waiting does not help.
#include "adapters/kafka/internal/handles.hpp"
#include "base/result.hpp"

#include <optional>
#include <string>

namespace memseal::kafka {

/// Whether the broker refuses because an access right (ACL) is missing.
bool is_denied(rd_kafka_resp_err_t code) noexcept;

/// The error of an operation that the broker denies. `topic` may be empty. Code: bad_config.
Error denied_error(rd_kafka_resp_err_t code, const std::string& topic);

/// The fatal error of `client`; empty while the client works. Code: bad_config.
/// NOTE: librdkafka never leaves this state. The client polls on, yet consumes and sends nothing.
std::optional<Error> fatal_error(rd_kafka_t* client);

}  // namespace memseal::kafka
