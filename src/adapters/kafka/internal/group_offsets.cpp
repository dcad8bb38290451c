#include "adapters/kafka/internal/group_offsets.hpp"

#include "adapters/kafka/internal/partition_lists.hpp"

#include <algorithm>
#include <utility>

namespace memseal::kafka {

namespace {

using Question = std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t,
                                 FreeWith<rd_kafka_ListConsumerGroupOffsets_destroy>>;

constexpr int timeout_ms = 10'000;

AdminOptions options_for(rd_kafka_t* client, rd_kafka_admin_op_t operation) {
  AdminOptions options(rd_kafka_AdminOptions_new(client, operation));
  char why[256] = "";
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, why, sizeof why);
  return options;
}

}  // namespace

GroupOffsets::GroupOffsets(rd_kafka_t* client, std::string group)
    : client_(client), group_(std::move(group)), answers_(rd_kafka_queue_new(client)) {}

void GroupOffsets::ask(const Partitions& partitions, const Partitions& unknown) {
  if (!partitions.empty() && !std::exchange(asks_ends_, true)) {
    const auto options = options_for(client_, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    // As the consumer reads: records of open transactions are not behind yet.
    const KafkaError refused(rd_kafka_AdminOptions_set_isolation_level(
        options.get(), RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED));
    const auto list = to_list(partitions);
    for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_SPEC_LATEST;
    rd_kafka_ListOffsets(client_, list.get(), options.get(), answers_.get());
  }
  if (!unknown.empty() && !std::exchange(asks_committed_, true)) {
    const auto options = options_for(client_, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    const auto list = to_list(unknown);
    const Question question(rd_kafka_ListConsumerGroupOffsets_new(group_.c_str(), list.get()));
    auto* one = question.get();
    rd_kafka_ListConsumerGroupOffsets(client_, &one, 1, options.get(), answers_.get());
  }
}

std::vector<Offset> GroupOffsets::take() {
  std::vector<Offset> committed;
  while (const Event event{rd_kafka_queue_poll(answers_.get(), 0)}) {
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_LISTOFFSETS_RESULT) {
      asks_ends_ = false;
      take_ends(event.get());
    } else if (rd_kafka_event_type(event.get()) ==
               RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT) {
      asks_committed_ = false;
      committed = take_committed(event.get());
    }
  }
  return committed;
}

void GroupOffsets::take_ends(rd_kafka_event_t* event) {
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  std::size_t count = 0;
  const auto* const* infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &count);
  std::map<Partition, std::int64_t> ends;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* one = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    if (one->err == RD_KAFKA_RESP_ERR_NO_ERROR && one->offset >= 0)
      ends[{one->topic, one->partition}] = one->offset;
  }
  ends_ = std::move(ends);
}

std::vector<Offset> GroupOffsets::take_committed(rd_kafka_event_t* event) {
  std::vector<Offset> committed;
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) return committed;
  std::size_t count = 0;
  const auto* const* groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* list = rd_kafka_group_result_partitions(groups[i]);
    for (int at = 0; list && at < list->cnt; ++at) {
      const auto& one = list->elems[at];
      if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      committed.push_back({{one.topic, one.partition}, std::max<std::int64_t>(0, one.offset)});
    }
  }
  return committed;
}

std::int64_t GroupOffsets::end_of(const Partition& partition) const {
  const auto found = ends_.find(partition);
  return found == ends_.end() ? -1 : found->second;
}

}  // namespace memseal::kafka
