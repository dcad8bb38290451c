#pragma once
#include "adapters/kafka/client.hpp"
#include "adapters/kafka/internal/handles.hpp"
#include "base/result.hpp"

#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace memseal::kafka {

using Property = std::pair<std::string, std::string>;

/// The operator's properties override `defaults`. They may not name one of `fixed`, because the
/// delivery guarantees rest on those. Errors: bad_config, naming the property.
Result<Conf> make_conf(const ClientOptions& client, const std::vector<Property>& defaults,
                       const std::vector<Property>& fixed);

/// Error: bad_config.
Result<Client> make_client(rd_kafka_type_t type, Conf conf);

/// "name (sentence)" of a librdkafka error code.
std::string describe(rd_kafka_resp_err_t code);

/// The error of a request that no broker answered. Code: unavailable.
Error no_broker_error(rd_kafka_resp_err_t code, const ClientOptions& client);

/// A client logs an error that repeats at most this often.
inline constexpr std::chrono::seconds log_every{10};

}  // namespace memseal::kafka
