#include "adapters/kafka/tail.hpp"

#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/lasting_errors.hpp"
#include "runtime/context.hpp"

#include <utility>

namespace memseal::kafka {

namespace {

int ms_of(std::chrono::milliseconds time) { return static_cast<int>(time.count()); }

Result<Client> make_tail_client(const ClientOptions& client) {
  // The short wait is for the embedded broker, which answers a fetch no sooner than it ends.
  auto conf = make_conf(client,
                        {{"client.id", "memseal"},
                         {"fetch.wait.max.ms", "10"},
                         {"isolation.level", "read_committed"}},
                        {{"group.id", "memseal-tail"},
                         {"enable.auto.commit", "false"},
                         {"allow.auto.create.topics", "false"}});
  if (!conf) return conf.error();
  return make_client(RD_KAFKA_CONSUMER, std::move(*conf));
}

Error denied_or_unavailable(rd_kafka_resp_err_t code, const ClientOptions& client,
                            const std::string& topic) {
  if (is_denied(code)) return denied_error(code, topic);
  return no_broker_error(code, client);
}

Result<PartitionList> partitions_of(rd_kafka_t* client, const ClientOptions& options,
                                    const std::string& topic, std::chrono::milliseconds timeout) {
  const Topic handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  const rd_kafka_metadata_t* found = nullptr;
  auto code = rd_kafka_metadata(client, /*all_topics=*/0, handle.get(), &found, ms_of(timeout));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return denied_or_unavailable(code, options, topic);
  const Metadata metadata(found);
  const int count = found->topic_cnt == 1 ? found->topics[0].partition_cnt : 0;
  if (found->topic_cnt == 1 && is_denied(found->topics[0].err))
    return denied_error(found->topics[0].err, topic);
  if (count == 0) return Error{Errc::not_found, "there is no topic " + topic};
  PartitionList list(rd_kafka_topic_partition_list_new(count));
  for (int i = 0; i < count; ++i)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), found->topics[0].partitions[i].id)
        ->offset = RD_KAFKA_OFFSET_END;
  return list;
}

}  // namespace

struct Tail::Impl {
  Client client;
};

Tail::Tail(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tail::~Tail() = default;

Result<std::unique_ptr<Tail>> Tail::open(const ClientOptions& options, const std::string& topic,
                                         std::chrono::milliseconds timeout) {
  const auto deadline = runtime::Deadline::after(timeout);
  auto client = make_tail_client(options);
  if (!client) return client.error();
  rd_kafka_poll_set_consumer(client->get());
  auto list = partitions_of(client->get(), options, topic, timeout);
  if (!list) return list.error();
  // Asked for by number, because a consumer that is told to begin at "the end" looks for the end
  // only when it fetches, and records that come before that are missed.
  auto code = rd_kafka_offsets_for_times(client->get(), list->get(), ms_of(deadline.left_ms()));
  for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < (*list)->cnt; ++i)
    code = (*list)->elems[i].err;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = rd_kafka_assign(client->get(), list->get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return denied_or_unavailable(code, options, topic);
  auto impl = std::make_unique<Impl>();
  impl->client = std::move(*client);
  return std::unique_ptr<Tail>(new Tail(std::move(impl)));
}

std::optional<std::string> Tail::next(std::chrono::milliseconds timeout) {
  const auto deadline = runtime::Deadline::after(timeout);
  do {
    const Message message(rd_kafka_consumer_poll(impl_->client.get(), ms_of(deadline.left_ms())));
    if (!message) return std::nullopt;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
      return std::string(static_cast<const char*>(message->payload), message->len);
    // An error of the connection: the client connects again by itself.
  } while (!deadline.passed());
  return std::nullopt;
}

}  // namespace memseal::kafka
