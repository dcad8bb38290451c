#include "adapters/kafka/internal/client_conf.hpp"

#include "runtime/log.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace memseal::kafka {

namespace {

constexpr std::int64_t log_gap_ms = 1'000;

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

// Called on librdkafka's threads. At most one warning a second, because an unavailable cluster
// would otherwise fill the log.
void on_log(const rd_kafka_t*, int level, const char* facility, const char* text) {
  constexpr int syslog_warning = 4;
  static std::atomic<std::int64_t> last_ms{-log_gap_ms};
  const bool serious = level <= syslog_warning;
  if (serious) {
    auto last = last_ms.load();
    const auto now = now_ms();
    if (now - last < log_gap_ms || !last_ms.compare_exchange_strong(last, now)) return;
  }
  runtime::log(serious ? runtime::LogLevel::warn : runtime::LogLevel::debug, "kafka.client_message",
               {{"facility", facility}, {"text", text}});
}

Result<void> set(rd_kafka_conf_t* conf, const Property& property) {
  char why[512] = "";
  if (rd_kafka_conf_set(conf, property.first.c_str(), property.second.c_str(), why,
                        sizeof why) == RD_KAFKA_CONF_OK)
    return {};
  // Never pass on librdkafka's own text: it quotes the value, which may be a password.
  return Error{Errc::bad_config,
               "the Kafka client refuses property " + property.first +
                   ": unknown name or unsuitable value",
               "kafka.properties." + property.first};
}

}  // namespace

Result<Conf> make_conf(const ClientOptions& client, const std::vector<Property>& defaults,
                       const std::vector<Property>& fixed) {
  if (client.brokers.empty())
    return Error{Errc::bad_config, "no Kafka broker is named", "kafka.brokers"};
  Conf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  // Push no client metrics to the brokers: this process publishes its own on /metrics, and asking
  // for a telemetry subscription delays the end of the process by a second.
  if (auto done = set(conf.get(), {"enable.metrics.push", "false"}); !done) return done.error();
  for (const auto& property : defaults)
    if (auto done = set(conf.get(), property); !done) return done.error();
  for (const auto& property : client.properties) {
    const std::string& name = property.first;
    const bool reserved =
        name == "bootstrap.servers" || name == "metadata.broker.list" ||
        std::any_of(fixed.begin(), fixed.end(), [&](auto& own) { return own.first == name; });
    if (reserved)
      return Error{Errc::bad_config,
                   "property " + name + " is set by memseal itself; remove it",
                   "kafka.properties." + name};
    if (auto done = set(conf.get(), {name, property.second}); !done) return done.error();
  }
  for (const auto& property : fixed)
    if (auto done = set(conf.get(), property); !done) return done.error();
  if (auto done = set(conf.get(), {"bootstrap.servers", client.brokers}); !done)
    return done.error();
  return conf;
}

Result<Client> make_client(rd_kafka_type_t type, Conf conf) {
  char why[512] = "";
  Client client(rd_kafka_new(type, conf.get(), why, sizeof why));
  if (!client)
    return Error{Errc::bad_config, std::string("the Kafka client cannot start: ") + why, "kafka"};
  conf.release();  // The client owns it now.
  return client;
}

std::string describe(rd_kafka_resp_err_t code) {
  return std::string(rd_kafka_err2name(code)) + " (" + rd_kafka_err2str(code) + ")";
}

Error no_broker_error(rd_kafka_resp_err_t code, const ClientOptions& client) {
  const bool silent = code == RD_KAFKA_RESP_ERR__TRANSPORT ||
                      code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                      code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
  return {Errc::unavailable,
          "no broker at " + client.brokers + (silent ? "" : ": " + describe(code)) +
              "; check kafka.brokers, and that the broker runs",
          "kafka.brokers"};
}

}  // namespace memseal::kafka
