#include "adapters/kafka/topic_records.hpp"

#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/lasting_errors.hpp"
#include "adapters/kafka/internal/to_record.hpp"

#include <algorithm>
#include <vector>

namespace memseal::kafka {

namespace {

using Clock = std::chrono::steady_clock;
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, FreeWith<rd_kafka_metadata_destroy>>;
using DeleteRecords =
    std::unique_ptr<rd_kafka_DeleteRecords_t, FreeWith<rd_kafka_DeleteRecords_destroy>>;

Error failure_of(rd_kafka_resp_err_t code, const std::string& topic, const char* what) {
  if (is_denied(code)) return denied_error(code, topic);
  return {Errc::unavailable, std::string(what) + " of topic " + topic + ": " + describe(code),
          "kafka.brokers"};
}

Result<Client> make_reader(const ClientOptions& options) {
  auto conf = make_conf(options, {{"client.id", "memseal"}},
                        {{"group.id", "memseal-reader"},
                         {"enable.auto.commit", "false"},
                         {"enable.partition.eof", "true"},
                         {"auto.offset.reset", "earliest"},
                         {"allow.auto.create.topics", "false"}});
  if (!conf) return conf.error();
  return make_client(RD_KAFKA_CONSUMER, std::move(*conf));
}

/// The partitions of `topic`; none when there is no such topic.
Result<std::vector<std::int32_t>> partitions_of(rd_kafka_t* client, const std::string& topic,
                                                int timeout_ms) {
  const rd_kafka_metadata_t* answer = nullptr;
  // All topics, because to ask for one topic by name may make the broker create it.
  const auto code = rd_kafka_metadata(client, 1, nullptr, &answer, timeout_ms);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return failure_of(code, topic, "no broker knows the state");
  const Metadata metadata(answer);
  std::vector<std::int32_t> found;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const auto& one = metadata->topics[i];
    if (topic != one.topic) continue;
    for (int p = 0; p < one.partition_cnt; ++p) found.push_back(one.partitions[p].id);
  }
  return found;
}

/// One pass over the partitions of a topic.
class Reading {
 public:
  Reading(rd_kafka_t* client, const std::string& topic) : client_(client), topic_(topic) {}

  Result<void> begin(const PartitionOffsets& from, int timeout_ms) {
    const auto partitions = partitions_of(client_, topic_, timeout_ms);
    if (!partitions) return partitions.error();
    const PartitionList list(rd_kafka_topic_partition_list_new(1));
    for (const auto partition : *partitions) {
      if (!from.empty() && !from.contains(partition)) continue;
      std::int64_t low = 0, high = 0;
      const auto code = rd_kafka_query_watermark_offsets(client_, topic_.c_str(), partition, &low,
                                                         &high, timeout_ms);
      if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return failure_of(code, topic_, "no broker answered with the offsets");
      const auto start = from.empty() ? low : std::max(low, from.at(partition));
      // The end is the one of now. Records that come while this reads are the next reading's, or a
      // busy topic would never end.
      if (start >= high) continue;
      ends_[partition] = high;
      rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition)->offset = start;
    }
    if (ends_.empty()) return {};
    rd_kafka_poll_set_consumer(client_);
    const auto code = rd_kafka_assign(client_, list.get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failure_of(code, topic_, "the records");
    return {};
  }

  /// Reads until the ends, or until `visit` returns false.
  Result<void> run(const std::function<bool(ports::Record)>& visit,
                   std::chrono::milliseconds patience) {
    auto last = Clock::now();
    while (!ends_.empty()) {
      const Message message(rd_kafka_consumer_poll(client_, 100));
      if (!message || is_passing(message->err)) {
        if (Clock::now() - last > patience)
          return Error{Errc::unavailable, "no broker delivers the records of topic " + topic_,
                       "kafka.brokers"};
        continue;
      }
      last = Clock::now();
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        ends_.erase(message->partition);
        continue;
      }
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return failure_of(message->err, topic_, "the records");
      const auto end = ends_.find(message->partition);
      if (end == ends_.end()) continue;
      const bool is_new = message->offset >= end->second;
      // The last offsets of a partition may be markers of transactions, which no consumer gets:
      // then EOF ends it, above.
      if (message->offset + 1 >= end->second) ends_.erase(end);
      if (is_new) continue;
      if (!visit(to_record(*message, topic_))) return {};
    }
    return {};
  }

 private:
  // A connection that breaks is made again by the client.
  static bool is_passing(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
           code == RD_KAFKA_RESP_ERR__RESOLVE;
  }

  rd_kafka_t* const client_;
  const std::string& topic_;
  PartitionOffsets ends_;  // of the partitions that are not read yet
};

}  // namespace

Result<void> read_topic(const ClientOptions& options, const std::string& topic,
                        const PartitionOffsets& from,
                        const std::function<bool(ports::Record)>& visit,
                        std::chrono::milliseconds patience) {
  auto client = make_reader(options);
  if (!client) return client.error();
  Reading reading(client->get(), topic);
  auto read = reading.begin(from, static_cast<int>(patience.count()));
  if (read) read = reading.run(visit, patience);
  rd_kafka_assign(client->get(), nullptr);
  return read;
}

Result<void> delete_records(const ClientOptions& options, const std::string& topic,
                            const PartitionOffsets& before, std::chrono::milliseconds timeout) {
  if (before.empty()) return {};
  auto client = make_reader(options);
  if (!client) return client.error();
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  for (const auto& [partition, offset] : before)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
  const DeleteRecords wanted(rd_kafka_DeleteRecords_new(list.get()));
  const AdminOptions admin(
      rd_kafka_AdminOptions_new(client->get(), RD_KAFKA_ADMIN_OP_DELETERECORDS));
  char why[256] = "";
  rd_kafka_AdminOptions_set_request_timeout(admin.get(), static_cast<int>(timeout.count()), why,
                                            sizeof why);
  const Queue answers(rd_kafka_queue_new(client->get()));
  auto* one = wanted.get();
  rd_kafka_DeleteRecords(client->get(), &one, 1, admin.get(), answers.get());
  const Event event(
      rd_kafka_queue_poll(answers.get(), static_cast<int>(timeout.count()) + 1'000));
  if (!event) return Error{Errc::unavailable, "no Kafka broker answered in time", "kafka.brokers"};
  auto code = rd_kafka_event_error(event.get());
  if (const auto* result = rd_kafka_event_DeleteRecords_result(event.get()); result && !code) {
    const auto* offsets = rd_kafka_DeleteRecords_result_offsets(result);
    for (int i = 0; i < offsets->cnt && !code; ++i) code = offsets->elems[i].err;
  }
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return failure_of(code, topic, "the broker did not delete records");
  return {};
}

}  // namespace memseal::kafka
