#include "adapters/kafka/admin.hpp"

#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/topic_configs.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace memseal::kafka {

namespace asio = boost::asio;

namespace {

// A consumer, because a producer that asks for a topic may make the broker create it.
Result<Client> make_observer(const ClientOptions& client) {
  auto conf = make_conf(client, {{"client.id", "memseal"}},
                        {{"group.id", "memseal-admin"}, {"allow.auto.create.topics", "false"}});
  if (!conf) return conf.error();
  return make_client(RD_KAFKA_CONSUMER, std::move(*conf));
}

Result<Metadata> ask(rd_kafka_t* client, const std::string& brokers,
                     std::chrono::milliseconds timeout) {
  // All topics in one request, because a request that names a missing topic may create it.
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto code = rd_kafka_metadata(client, /*all_topics=*/1, nullptr, &metadata,
                                      static_cast<int>(timeout.count()));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return Metadata(metadata);
  return Error{Errc::unavailable,
               "no Kafka broker answered at " + brokers + " within " +
                   std::to_string(timeout.count()) + " ms: " + describe(code) +
                   "; check kafka.brokers and that the broker runs",
               "kafka.brokers"};
}

Result<void> check_created(rd_kafka_event_t* event) {
  const auto code = rd_kafka_event_error(event);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    // Only a broker that does not answer is transient. Any other answer, such as a missing right,
    // is for an operator.
    return Error{code == RD_KAFKA_RESP_ERR__TIMED_OUT ? Errc::unavailable : Errc::bad_config,
                 "topics cannot be created: " + describe(code), "kafka.topics"};
  std::size_t count = 0;
  const auto* const* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto refused = rd_kafka_topic_result_error(results[i]);
    // Another process may have created the topic after this one looked.
    if (refused == RD_KAFKA_RESP_ERR_NO_ERROR ||
        refused == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
      continue;
    const char* why = rd_kafka_topic_result_error_string(results[i]);
    return Error{Errc::bad_config,
                 std::string("topic ") + rd_kafka_topic_result_name(results[i]) +
                     " cannot be created: " + (why ? why : describe(refused)),
                 "kafka.topics"};
  }
  return {};
}

int or_default(int number) { return number > 0 ? number : -1; }

Result<void> create(rd_kafka_t* client, const std::vector<TopicSpec>& topics,
                    std::chrono::milliseconds timeout) {
  // `wanted` is the array that the C API reads; `owned` frees its elements.
  std::vector<NewTopic> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  for (const auto& topic : topics) {
    char why[256] = "";
    owned.emplace_back(rd_kafka_NewTopic_new(topic.name.c_str(), or_default(topic.partitions),
                                             or_default(topic.replication), why, sizeof why));
    if (!owned.back())
      return Error{Errc::bad_config, "topic " + topic.name + " cannot be created: " + why,
                   "kafka.topics"};
    const auto retention_ms = std::chrono::milliseconds(topic.retention).count();
    if (retention_ms > 0)
      rd_kafka_NewTopic_set_config(owned.back().get(), "retention.ms",
                                   std::to_string(retention_ms).c_str());
    if (topic.has_broker_time)
      rd_kafka_NewTopic_set_config(owned.back().get(), "message.timestamp.type", "LogAppendTime");
    wanted.push_back(owned.back().get());
  }
  const AdminOptions options(rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  char why[256] = "";
  const int timeout_ms = static_cast<int>(timeout.count());
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, why, sizeof why);
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout_ms, why, sizeof why);
  const Queue answers(rd_kafka_queue_new(client));
  rd_kafka_CreateTopics(client, wanted.data(), wanted.size(), options.get(), answers.get());
  // A second more than the request has, so that its own timeout arrives as an error with a text.
  const Event event(rd_kafka_queue_poll(answers.get(), timeout_ms + 1'000));
  if (!event)
    return Error{Errc::unavailable, "no Kafka broker answered in time", "kafka.brokers"};
  return check_created(event.get());
}

// A client that reaches the bootstrap server then connects to the addresses that the brokers
// advertise (advertised.listeners). Those often resolve only inside the brokers' own network, so
// the doctor tries each of them.
void try_to_reach(BrokerView& broker, std::chrono::milliseconds timeout) {
  asio::io_context loop(1);
  asio::ip::tcp::resolver resolver(loop);
  boost::system::error_code failed;
  const auto places = resolver.resolve(broker.host, std::to_string(broker.port), failed);
  if (failed) {
    broker.why = "its advertised name does not resolve: " + failed.message();
    return;
  }
  asio::ip::tcp::socket socket(loop);
  bool answered = false;
  asio::async_connect(socket, places, [&](boost::system::error_code code, const auto&) {
    answered = true;
    failed = code;
  });
  loop.run_for(timeout);
  broker.reachable = answered && !failed;
  if (!broker.reachable)
    broker.why = answered ? "its advertised address refuses the connection: " + failed.message()
                          : "its advertised address does not answer";
  // Close before the second run, so that a connect that is still pending ends while `socket` lives.
  boost::system::error_code ignored;
  socket.close(ignored);
  loop.restart();
  loop.run();
}

TopicView view_of(const rd_kafka_metadata_topic& topic) {
  TopicView view{.name = topic.topic, .partitions = topic.partition_cnt};
  for (int i = 0; i < topic.partition_cnt; ++i) {
    const int replicas = topic.partitions[i].replica_cnt;
    view.replicas = i == 0 ? replicas : std::min(view.replicas, replicas);
  }
  return view;
}

void apply(const TopicConfig& config, TopicView& topic) {
  const auto number = [&](const char* name) -> std::optional<std::int64_t> {
    const auto found = config.find(name);
    if (found == config.end()) return std::nullopt;
    std::int64_t value = 0;
    const auto& text = found->second;
    const auto [stop, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{}) return std::nullopt;
    return value;
  };
  if (const auto least = number("min.insync.replicas"))
    topic.replicas_in_sync_min = static_cast<int>(*least);
  topic.retention_ms = number("retention.ms");
  if (const auto kind = config.find("message.timestamp.type"); kind != config.end())
    topic.has_broker_time = kind->second == "LogAppendTime";
  const auto policy = config.find("cleanup.policy");
  topic.is_compacted =
      policy != config.end() && policy->second.find("compact") != std::string::npos;
}

}  // namespace

Result<void> ensure_topics(const ClientOptions& options, const std::vector<TopicSpec>& topics,
                           std::chrono::milliseconds timeout) {
  auto client = make_observer(options);
  if (!client) return client.error();
  auto metadata = ask(client->get(), options.brokers, timeout);
  if (!metadata) return metadata.error();
  std::set<std::string> known;
  for (int i = 0; i < (*metadata)->topic_cnt; ++i) known.insert((*metadata)->topics[i].topic);
  std::vector<TopicSpec> missing;
  for (const auto& topic : topics)
    if (!known.contains(topic.name)) missing.push_back(topic);
  if (missing.empty()) return {};
  return create(client->get(), missing, timeout);
}

Result<ClusterView> probe_cluster(const ClientOptions& options,
                                  const std::vector<std::string>& topics,
                                  std::chrono::milliseconds timeout) {
  auto client = make_observer(options);
  if (!client) return client.error();
  auto metadata = ask(client->get(), options.brokers, timeout);
  if (!metadata) return metadata.error();
  ClusterView view;
  for (int i = 0; i < (*metadata)->broker_cnt; ++i) {
    const auto& broker = (*metadata)->brokers[i];
    view.brokers.push_back({.id = broker.id, .host = broker.host, .port = broker.port});
    try_to_reach(view.brokers.back(), timeout);
  }
  std::map<std::string, TopicView> known;
  for (int i = 0; i < (*metadata)->topic_cnt; ++i)
    known.emplace((*metadata)->topics[i].topic, view_of((*metadata)->topics[i]));
  std::vector<std::string> there;
  for (const auto& topic : topics) {
    const auto found = known.find(topic);
    if (found != known.end()) there.push_back(topic);
    view.topics.push_back(found == known.end() ? TopicView{.name = topic} : found->second);
  }
  const auto configs = describe_topics(client->get(), there, timeout);
  for (auto& topic : view.topics)
    if (const auto config = configs.find(topic.name); config != configs.end())
      apply(config->second, topic);
  return view;
}

}  // namespace memseal::kafka
