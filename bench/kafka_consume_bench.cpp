// kafka_consume: events a second out of Kafka, consumed by the service's source and read by its
// wire format on a pool's thread, against a bare librdkafka consumer that takes the same records in
// batches of 1,000 and only counts them, as rdkafka_performance -C -X … -B does (Debian has no such
// program). Six partitions, events of a chat of about 600 bytes. The time runs from the first
// quarter of the records to the last one, so that neither joining a group nor what was fetched
// meanwhile counts.
#include "adapters/kafka/admin.hpp"
#include "adapters/kafka/source.hpp"
#include "bench.hpp"
#include "pg_bench.hpp"
#include "pure/crypto/random.hpp"
#include "pure/wire/event.hpp"
#include "runtime/offload.hpp"
#include "runtime/task_group.hpp"

#include <boost/asio/thread_pool.hpp>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>

namespace {

using namespace memseal;
using namespace memseal::bench;

constexpr int partitions = 6, runs = 5;
constexpr std::size_t events = 600'000, warm_up = events / 4;

using Client = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;
using Clock = std::chrono::steady_clock;

Client open_client(rd_kafka_type_t type,
                   std::initializer_list<std::pair<const char*, std::string>> settings) {
  auto* conf = rd_kafka_conf_new();
  char why[256] = "";
  for (const auto& [name, value] : settings)
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK)
      throw std::runtime_error(why);
  auto* client = rd_kafka_new(type, conf, why, sizeof why);
  if (!client) throw std::runtime_error(why);
  return {client, &rd_kafka_destroy};
}

std::string chat_of(const std::string& user, std::size_t number) {
  wire::ChatEvent event{.head = {.id = std::to_string(number), .source = "bench",
                                 .user = UserId::parse(user).value(),
                                 .time_ms = 1'700'000'000'000},
                        .conversation_id = DocId::parse("talk").value(),
                        .messages = {},
                        .tags = {},
                        .attributes_json = {}};
  event.messages.push_back({"user", "When does the train to the mountains leave on Saturday?", 0});
  event.messages.push_back({"assistant",
                            "The first one leaves at a quarter past six, and then one every hour "
                            "until nine in the evening.", 0});
  return wire::make_chat_event(event);
}

void produce(const std::string& brokers, const std::string& topic) {
  const auto client = open_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                                      {"linger.ms", "50"},
                                                      {"queue.buffering.max.messages", "1000000"},
                                                      {"queue.buffering.max.kbytes", "2000000"}});
  for (std::size_t i = 0; i < events; ++i) {
    const auto user = "user-" + std::to_string(i % 997);
    const auto value = chat_of(user, i);
    rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                      RD_KAFKA_V_KEY(user.data(), user.size()),
                      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                      RD_KAFKA_V_END);
  }
  if (rd_kafka_flush(client.get(), 120'000) != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw std::runtime_error("the events were not written");
}

/// Counts records, and times those after the first quarter.
struct Watch {
  std::size_t seen = 0, before = 0;
  Clock::time_point start{};

  void saw(std::size_t count) {
    seen += count;
    if (before > 0 || seen < warm_up) return;
    start = Clock::now();
    before = seen;
  }
  double rate() const {
    return static_cast<double>(seen - before) /
           std::chrono::duration<double>(Clock::now() - start).count();
  }
};

double consume_bare(const std::string& brokers, const std::string& topic) {
  const auto group = crypto::random_uuid().to_string();
  const auto client = open_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                                      {"group.id", group},
                                                      {"auto.offset.reset", "earliest"},
                                                      {"enable.auto.commit", "true"}});
  rd_kafka_poll_set_consumer(client.get());
  auto* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), RD_KAFKA_PARTITION_UA);
  rd_kafka_subscribe(client.get(), list);
  rd_kafka_topic_partition_list_destroy(list);
  auto* queue = rd_kafka_queue_get_consumer(client.get());
  std::array<rd_kafka_message_t*, 1'000> messages{};
  Watch watch;
  while (watch.seen < events) {
    const auto got = rd_kafka_consume_batch_queue(queue, 1'000, messages.data(), messages.size());
    std::size_t records = 0;
    for (ssize_t i = 0; i < got; ++i) {
      records += messages[static_cast<std::size_t>(i)]->err == RD_KAFKA_RESP_ERR_NO_ERROR;
      rd_kafka_message_destroy(messages[static_cast<std::size_t>(i)]);
    }
    watch.saw(records);
  }
  const double rate = watch.rate();
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(client.get());
  return rate;
}

/// Number of events in `batch` that can be read.
std::size_t readable(const ports::Batch& batch) {
  return static_cast<std::size_t>(
      std::count_if(batch.records.begin(), batch.records.end(), [](const auto& record) {
        return wire::parse_event({record.topic, record.key, record.value, &record.headers,
                                  record.timestamp_ms})
            .has_value();
      }));
}

asio::awaitable<double> read_all(kafka::KafkaSource& source, asio::thread_pool& cpu) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  Watch watch;
  while (watch.seen < events) {
    const auto batch = std::make_shared<const ports::Batch>(co_await source.next());
    auto work = [batch](std::stop_token) { return readable(*batch); };
    const auto read = co_await runtime::offload(cpu, std::move(work));
    if (read != batch->records.size()) throw std::runtime_error("an event could not be read");
    watch.saw(read);
    source.done(*batch);
  }
  const double rate = watch.rate();
  source.request_stop();
  co_await tasks.join();
  co_return rate;
}

double consume_and_decode(const std::string& brokers, const std::string& topic) {
  asio::io_context loop(1);
  asio::thread_pool cpu(1);
  runtime::Metrics metrics;
  kafka::SourceOptions options{.client = {.brokers = brokers},
                               .group = crypto::random_uuid().to_string(),
                               .topics = {}};
  options.topics.push_back(topic);
  const auto source =
      kafka::KafkaSource::open(loop.get_executor(), std::move(options), metrics).value();
  const double rate = run_on(loop, read_all(*source, cpu));
  cpu.join();
  return rate;
}

}  // namespace

int main() {
  const char* brokers = std::getenv("MEMSEAL_TEST_KAFKA");
  if (!brokers || !*brokers) {
    print_skipped("kafka_consume", "MEMSEAL_TEST_KAFKA is not set: run scripts/stack up");
    return 0;
  }
  const auto topic = "memseal-bench-" + crypto::random_uuid().to_string();
  kafka::ensure_topics({.brokers = brokers}, {{.name = topic, .partitions = partitions}}).value();
  produce(brokers, topic);
  consume_bare(brokers, topic);  // Both sides then find the log in the broker's page cache.
  std::vector<double> ours, rivals, ratios;
  for (int run = 0; run < runs; ++run) {
    rivals.push_back(consume_bare(brokers, topic));
    ours.push_back(consume_and_decode(brokers, topic));
    ratios.push_back(ours.back() / rivals.back());
  }
  print({"kafka_consume", median(ours), median(rivals), "a bare librdkafka consumer, batches",
         median(ratios), "events/s", "higher", runs});
}
