// What librdkafka tells a source, and what the source does about it.
#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/source_impl.hpp"
#include "runtime/log.hpp"

#include <algorithm>
#include <string_view>

namespace memseal::kafka {

namespace {

using namespace std::chrono_literals;

constexpr auto look_every = 2s;
constexpr auto complain_every = 10s;
constexpr auto commit_again_after = 100ms;

bool is_cooperative(rd_kafka_t* client) {
  const char* protocol = rd_kafka_rebalance_protocol(client);
  return protocol && std::string_view(protocol) == "COOPERATIVE";
}

void copy_headers(const rd_kafka_message_t& message, ports::Record& record) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  record.headers.reserve(rd_kafka_header_cnt(headers));
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
                          RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    record.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
}

}  // namespace

Partitions to_partitions(const rd_kafka_topic_partition_list_t& list) {
  Partitions partitions;
  for (int i = 0; i < list.cnt; ++i)
    partitions.push_back({list.elems[i].topic, list.elems[i].partition});
  return partitions;
}

PartitionList to_list(const Partitions& partitions) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& [topic, number] : partitions)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), number);
  return list;
}

PartitionList to_list(const std::vector<Offset>& offsets) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, next] : offsets)
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number)
        ->offset = next;
  return list;
}

void KafkaSource::Impl::take_in(rd_kafka_message_t** messages, std::size_t count) {
  Streak streak;
  for (std::size_t i = 0; i < count; ++i) {
    const Message message(messages[i]);
    if (message->err) {
      complain(*message);
      continue;
    }
    if (message->rkt != streak.topic || message->partition != streak.partition)
      look_up(*message, streak);
    if (streak.accepted) take_in(*message, streak);
  }
}

void KafkaSource::Impl::look_up(const rd_kafka_message_t& message, Streak& streak) {
  streak.topic = message.rkt;
  streak.partition = message.partition;
  streak.name = rd_kafka_topic_name(message.rkt);
  // Prefetched before the partition began to move: its next owner reads it again.
  streak.accepted =
      !closing_ && !stopping_ && assignment_.accepts({streak.name, streak.partition});
  streak.count = &probe_.records(streak.name);
}

void KafkaSource::Impl::take_in(const rd_kafka_message_t& message, const Streak& streak) {
  ports::Record record;
  record.topic = streak.name;
  record.partition = message.partition;
  record.offset = message.offset;
  rd_kafka_timestamp_type_t kind{};
  record.timestamp_ms = std::max<std::int64_t>(0, rd_kafka_message_timestamp(&message, &kind));
  if (message.key) record.key.assign(static_cast<const char*>(message.key), message.key_len);
  if (message.payload)
    record.value.assign(static_cast<const char*>(message.payload), message.len);
  copy_headers(message, record);
  streak.count->Increment();
  buffered_bytes_ += record.bytes();
  buffer_.push_back(std::move(record));
}

// What goes wrong in Kafka goes wrong often: metrics count, the log samples.
bool KafkaSource::Impl::may_complain() {
  const auto now = Clock::now();
  if (now < next_complaint_) return false;
  next_complaint_ = now + complain_every;
  return true;
}

void KafkaSource::Impl::complain(const rd_kafka_message_t& message) {
  probe_.errors.Increment();
  if (!may_complain()) return;
  const bool missing = message.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                       message.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
  runtime::log(runtime::LogLevel::warn, missing ? "kafka.topic_missing" : "kafka.consumer_error",
               {{"topic", message.rkt ? rd_kafka_topic_name(message.rkt) : ""},
                {"cause", describe(message.err)}});
}

void KafkaSource::Impl::on_error(rd_kafka_t* client, int code, const char* reason, void* self) {
  auto& source = *static_cast<Impl*>(self);
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  source.probe_.errors.Increment();
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    source.connected = false;
    source.probe_.connected.Set(0);
  }
  char why[256] = "";
  if (error == RD_KAFKA_RESP_ERR__FATAL) rd_kafka_fatal_error(client, why, sizeof why);
  if (!source.may_complain() && !*why) return;
  runtime::log(*why ? runtime::LogLevel::error : runtime::LogLevel::warn, "kafka.broker_error",
               {{"code", rd_kafka_err2name(error)}, {"cause", *why ? why : reason}});
}

int KafkaSource::Impl::on_statistics(rd_kafka_t*, char* json, std::size_t size, void* self) {
  auto& source = *static_cast<Impl*>(self);
  // Only brokers have a state in capitals.
  const bool up = std::string_view(json, size).find(R"("state":"UP")") != std::string_view::npos;
  if (up != source.connected)
    runtime::log(up ? runtime::LogLevel::info : runtime::LogLevel::warn,
                 up ? "kafka.connected" : "kafka.disconnected");
  source.connected = up;
  source.probe_.connected.Set(up ? 1 : 0);
  return 0;  // The library frees its text.
}

void KafkaSource::Impl::on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t what,
                                     rd_kafka_topic_partition_list_t* partitions, void* self) {
  auto& source = *static_cast<Impl*>(self);
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
    return source.assign(*partitions);
  if (what != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
    runtime::log(runtime::LogLevel::warn, "kafka.rebalance_failed", {{"cause", describe(what)}});
  source.revoke(to_partitions(*partitions), rd_kafka_assignment_lost(client) == 1);
}

void KafkaSource::Impl::assign(const rd_kafka_topic_partition_list_t& list) {
  const auto partitions = to_partitions(list);
  for (const auto& partition : partitions) {
    Queue own(rd_kafka_queue_get_partition(client_.get(), partition.topic.c_str(),
                                           partition.number));
    if (!own) continue;  // Then its records come among the events.
    rd_kafka_queue_forward(own.get(), records_.get());
    forwarded_[partition] = std::move(own);
  }
  const KafkaError refused(is_cooperative(client_.get())
                               ? rd_kafka_incremental_assign(client_.get(), &list)
                               : nullptr);
  if (!is_cooperative(client_.get())) rd_kafka_assign(client_.get(), &list);
  if (refused)
    runtime::log(runtime::LogLevel::warn, "kafka.assign_refused",
                 {{"cause", rd_kafka_error_string(refused.get())}});
  assignment_.add(partitions);
  probe_.rebalances_assigned.Increment();
  probe_.partitions.Set(static_cast<double>(assignment_.size()));
  runtime::log(runtime::LogLevel::info, "kafka.partitions_assigned",
               {{"partitions", partitions.size()}, {"now", assignment_.size()}});
}

void KafkaSource::Impl::revoke(Partitions partitions, bool lost) {
  (lost ? probe_.rebalances_lost : probe_.rebalances_revoked).Increment();
  runtime::log(lost ? runtime::LogLevel::warn : runtime::LogLevel::info,
               lost ? "kafka.partitions_lost" : "kafka.partitions_revoked",
               {{"partitions", partitions.size()}});
  assignment_.close(partitions);
  std::erase_if(buffer_, [&](const ports::Record& record) {
    const bool gone = !assignment_.accepts({record.topic, record.partition});
    if (gone) buffered_bytes_ -= record.bytes();
    return gone;
  });
  if (lost || closing_) return give_up(partitions);
  // librdkafka waits for the unassign call; step_revocation() makes it when the time has come.
  revocation_ = Revocation{std::move(partitions), Clock::now() + options_.revoke_wait};
}

void KafkaSource::Impl::step_revocation(Clock::time_point now) {
  if (!revocation_) return;
  const bool late = now >= revocation_->deadline;
  if (!late && assignment_.in_flight(revocation_->partitions)) return;
  // A commit may be refused while the group is busy, but the group waits for us in turn: a few
  // tries, for what is not committed only comes again.
  const auto offsets = assignment_.uncommitted(revocation_->partitions);
  if (!late && (commit_under_way_ || (!offsets.empty() && revocation_->commits_left > 0))) {
    if (commit(offsets)) --revocation_->commits_left;
    return;
  }
  const auto partitions = std::move(revocation_->partitions);
  revocation_.reset();
  give_up(partitions);
}

void KafkaSource::Impl::give_up(const Partitions& partitions) {
  assignment_.remove(partitions);
  for (const auto& partition : partitions) {
    probe_.lag(partition, 0);
    forwarded_.erase(partition);
  }
  probe_.partitions.Set(static_cast<double>(assignment_.size()));
  if (!is_cooperative(client_.get())) {
    rd_kafka_assign(client_.get(), nullptr);
    return;
  }
  const auto list = to_list(partitions);
  const KafkaError refused(rd_kafka_incremental_unassign(client_.get(), list.get()));
  if (refused)
    runtime::log(runtime::LogLevel::warn, "kafka.unassign_refused",
                 {{"cause", rd_kafka_error_string(refused.get())}});
}

// False when it is too early, or there is nothing to do.
bool KafkaSource::Impl::commit(const std::vector<Offset>& offsets) {
  const auto now = Clock::now();
  if (commit_under_way_ || offsets.empty() || now < next_commit_) return false;
  next_commit_ = now + commit_again_after;
  const auto list = to_list(offsets);
  // Its answer comes among the events.
  const auto code = rd_kafka_commit_queue(client_.get(), list.get(), events_.get(),
                                          &Impl::on_own_commit, this);
  commit_under_way_ = code == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!commit_under_way_) probe_.commit_failures.Increment();
  return true;
}

void KafkaSource::Impl::on_own_commit(rd_kafka_t* client, rd_kafka_resp_err_t outcome,
                                      rd_kafka_topic_partition_list_t* list, void* self) {
  static_cast<Impl*>(self)->commit_under_way_ = false;
  on_commit(client, outcome, list, self);
}

void KafkaSource::Impl::on_commit(rd_kafka_t*, rd_kafka_resp_err_t outcome,
                                  rd_kafka_topic_partition_list_t* list, void* self) {
  if (outcome == RD_KAFKA_RESP_ERR__NO_OFFSET) return;  // There was nothing to commit.
  auto& source = *static_cast<Impl*>(self);
  std::vector<Offset> stored;
  for (int i = 0; list && i < list->cnt; ++i) {
    const auto& element = list->elems[i];
    if (!outcome) outcome = element.err;
    if (!outcome && element.offset >= 0)
      stored.push_back({{element.topic, element.partition}, element.offset});
  }
  source.assignment_.committed(stored);
  if (!outcome) return source.probe_.commits.Increment();
  source.probe_.commit_failures.Increment();  // The next commit carries the same or later offsets.
  if (source.may_complain())
    runtime::log(runtime::LogLevel::warn, "kafka.commit_failed", {{"cause", describe(outcome)}});
}

void KafkaSource::Impl::look(Clock::time_point now) {
  next_look_ = now + look_every;
  std::int64_t behind_all = 0;
  for (const auto& partition : assignment_.all()) {
    std::int64_t low = 0, high = 0;
    if (rd_kafka_get_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number,
                                       &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        high < 0)
      continue;  // Nothing was fetched yet.
    auto next = assignment_.next_of(partition);
    if (next < 0) {
      const auto first = std::find_if(buffer_.begin(), buffer_.end(), [&](const auto& record) {
        return record.partition == partition.number && record.topic == partition.topic;
      });
      next = first != buffer_.end() ? first->offset : high;
    }
    const auto behind = std::max<std::int64_t>(0, high - next);
    probe_.lag(partition, behind);
    behind_all += behind;
  }
  lag = behind_all;
  probe_.held_records.Set(static_cast<double>(held_records()));
  probe_.held_bytes.Set(static_cast<double>(held_bytes()));
}

}  // namespace memseal::kafka
