#include "adapters/kafka/internal/lasting_errors.hpp"

#include "adapters/kafka/internal/client_conf.hpp"

namespace memseal::kafka {

bool is_denied(rd_kafka_resp_err_t code) noexcept {
  // Brokers check rights for the topic, for the consumer group and, when a producer is idempotent,
  // for the cluster.
  return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

Error denied_error(rd_kafka_resp_err_t code, const std::string& topic) {
  return {Errc::bad_config,
          "Kafka denies access" + (topic.empty() ? "" : " to topic " + topic) + ": " +
              describe(code) + "; grant the missing ACL to this client",
          "kafka"};
}

std::optional<Error> fatal_error(rd_kafka_t* client) {
  char cause[256] = "";
  const auto code = rd_kafka_fatal_error(client, cause, sizeof cause);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  if (is_denied(code)) return denied_error(code, "");
  // A group with static membership keeps the latest process of an instance id and fences the
  // earlier one, which could otherwise consume the same partitions.
  if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
    return Error{Errc::bad_config,
                 "another process uses the same kafka.instance_id; give each process its own",
                 "kafka.instance_id"};
  return Error{Errc::bad_config,
               "the Kafka client reports a fatal error: " + describe(code) + ": " + cause, "kafka"};
}

}  // namespace memseal::kafka
