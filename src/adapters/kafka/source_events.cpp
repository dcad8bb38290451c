// How a source handles librdkafka's events: messages, errors, rebalances, commits.
#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/lasting_errors.hpp"
#include "adapters/kafka/internal/source_impl.hpp"
#include "adapters/kafka/internal/to_record.hpp"
#include "runtime/log.hpp"

#include <algorithm>
#include <string_view>

namespace memseal::kafka {

namespace {

using namespace std::chrono_literals;

constexpr auto commit_again_after = 100ms;

bool is_cooperative(rd_kafka_t* client) {
  const char* protocol = rd_kafka_rebalance_protocol(client);
  return protocol && std::string_view(protocol) == "COOPERATIVE";
}

}  // namespace

void KafkaSource::Impl::buffer_records(rd_kafka_message_t** messages, std::size_t count) {
  PartitionRun run;
  for (std::size_t i = 0; i < count; ++i) {
    const Message message(messages[i]);
    if (message->err) {
      log_error(*message);
      continue;
    }
    if (message->rkt != run.topic || message->partition != run.partition)
      start_run(*message, run);
    if (run.accepted) buffer_record(*message, run);
  }
}

void KafkaSource::Impl::start_run(const rd_kafka_message_t& message, PartitionRun& run) {
  run.topic = message.rkt;
  run.partition = message.partition;
  run.name = rd_kafka_topic_name(message.rkt);
  // Drop records that were prefetched before the partition began to move. Its next owner reads
  // them.
  run.accepted =
      !closing_ && !stopping_ && assignment_.accepts({run.name, run.partition});
  run.count = &metrics_.records(run.name);
}

void KafkaSource::Impl::buffer_record(const rd_kafka_message_t& message, const PartitionRun& run) {
  auto record = to_record(message, run.name);
  run.count->Increment();
  assignment_.buffered(record);
  buffer_.push_back(std::move(record));
}

// A broker that is unavailable causes many errors a second. Metrics count all, the log samples.
bool KafkaSource::Impl::may_log() {
  const auto now = Clock::now();
  if (now < next_log_) return false;
  next_log_ = now + log_every;
  return true;
}

void KafkaSource::Impl::log_error(const rd_kafka_message_t& message) {
  metrics_.errors.Increment();
  const std::string topic = message.rkt ? rd_kafka_topic_name(message.rkt) : "";
  note_denial(message.err, topic);
  if (!may_log()) return;
  const bool missing = message.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                       message.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
  runtime::log(runtime::LogLevel::warn, missing ? "kafka.topic_missing" : "kafka.consumer_error",
               {{"topic", topic}, {"cause", describe(message.err)}});
}

// librdkafka reports a missing ACL once and then retries in silence, so the first report counts.
void KafkaSource::Impl::note_denial(rd_kafka_resp_err_t code, const std::string& topic) {
  if (!denied_ && is_denied(code)) denied_ = denied_error(code, topic);
}

// NOTE: a fatal error of a consumer comes as a message, not here; throw_if_lasting() finds both.
void KafkaSource::Impl::on_error(rd_kafka_t*, int code, const char* cause, void* self) {
  auto& source = *static_cast<Impl*>(self);
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  source.metrics_.errors.Increment();
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    source.connected = false;
    source.metrics_.connected.Set(0);
  }
  source.note_denial(error, "");
  if (!source.may_log()) return;
  runtime::log(runtime::LogLevel::warn, "kafka.broker_error",
               {{"code", rd_kafka_err2name(error)}, {"cause", cause}});
}

int KafkaSource::Impl::on_statistics(rd_kafka_t*, char* json, std::size_t size, void* self) {
  auto& source = *static_cast<Impl*>(self);
  // Search instead of parsing 10 KiB of JSON every 2 s. Only brokers write their state in capitals;
  // topics and the group write theirs in small letters.
  const bool up = std::string_view(json, size).find(R"("state":"UP")") != std::string_view::npos;
  if (up != source.connected)
    runtime::log(up ? runtime::LogLevel::info : runtime::LogLevel::warn,
                 up ? "kafka.connected" : "kafka.disconnected");
  source.connected = up;
  source.metrics_.connected.Set(up ? 1 : 0);
  source.read_positions_.take({json, size});
  return 0;  // The library frees its text.
}

void KafkaSource::Impl::on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t change,
                                     rd_kafka_topic_partition_list_t* partitions, void* self) {
  auto& source = *static_cast<Impl*>(self);
  if (change == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
    return source.assign(*partitions);
  if (change != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
    runtime::log(runtime::LogLevel::warn, "kafka.rebalance_failed", {{"cause", describe(change)}});
  source.revoke(to_partitions(*partitions), rd_kafka_assignment_lost(client) == 1);
}

void KafkaSource::Impl::assign(const rd_kafka_topic_partition_list_t& list) {
  const auto partitions = to_partitions(list);
  for (const auto& partition : partitions) {
    Queue own(rd_kafka_queue_get_partition(client_.get(), partition.topic.c_str(),
                                           partition.number));
    if (!own) continue;  // Its records then come through events_, which is served as well.
    // Nowhere: otherwise the library forwards it to events_.
    rd_kafka_queue_forward(own.get(), nullptr);
    wake_.listen(own.get());
    queues_[partition] = std::move(own);
  }
  const KafkaError refused(is_cooperative(client_.get())
                               ? rd_kafka_incremental_assign(client_.get(), &list)
                               : nullptr);
  if (!is_cooperative(client_.get())) rd_kafka_assign(client_.get(), &list);
  if (refused)
    runtime::log(runtime::LogLevel::warn, "kafka.assign_refused",
                 {{"cause", rd_kafka_error_string(refused.get())}});
  assignment_.add(partitions);
  metrics_.rebalances_assigned.Increment();
  metrics_.partitions.Set(static_cast<double>(assignment_.size()));
  runtime::log(runtime::LogLevel::info, "kafka.partitions_assigned",
               {{"partitions", partitions.size()}, {"now", assignment_.size()}});
}

void KafkaSource::Impl::revoke(Partitions partitions, bool lost) {
  (lost ? metrics_.rebalances_lost : metrics_.rebalances_revoked).Increment();
  runtime::log(lost ? runtime::LogLevel::warn : runtime::LogLevel::info,
               lost ? "kafka.partitions_lost" : "kafka.partitions_revoked",
               {{"partitions", partitions.size()}});
  assignment_.close(partitions);
  std::erase_if(buffer_, [&](const ports::Record& record) {
    const bool gone = !assignment_.accepts({record.topic, record.partition});
    if (gone) assignment_.unbuffered(record);
    return gone;
  });
  if (lost || closing_) {
    release_partitions(partitions);
  } else {
    // The group waits until we unassign. step_revocation() does that after the records that are
    // being stored, so that their offsets are committed and the next owner does not repeat them.
    const auto now = Clock::now();
    revocation_ =
        Revocation{std::move(partitions), now + options_.revoke_wait, now + options_.report_wait};
  }
  if (left_) left_();
}

void KafkaSource::Impl::step_revocation(Clock::time_point now) {
  if (!revocation_) return;
  const bool late = now >= revocation_->deadline;
  if (!late && assignment_.in_flight(revocation_->partitions)) return;
  if (now < revocation_->report_deadline && assignment_.unreported(revocation_->partitions)) return;
  // The broker may refuse a commit while the group rebalances, and the group waits for this member.
  // Try a few times only, because uncommitted records are merely delivered again.
  const auto offsets = assignment_.uncommitted(revocation_->partitions);
  if (!late && (commit_under_way_ || (!offsets.empty() && revocation_->commits_left > 0))) {
    if (commit(offsets)) --revocation_->commits_left;
    return;
  }
  const auto partitions = std::move(revocation_->partitions);
  revocation_.reset();
  release_partitions(partitions);
}

void KafkaSource::Impl::release_partitions(const Partitions& partitions) {
  assignment_.remove(partitions);
  for (const auto& partition : partitions) {
    forget_lag(partition);
    if (const auto own = queues_.find(partition); own != queues_.end()) {
      Wake::ignore(own->second.get());
      queues_.erase(own);
    }
  }
  metrics_.partitions.Set(static_cast<double>(assignment_.size()));
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

// False when no commit was tried: there is nothing to commit, or the last try was a moment ago.
bool KafkaSource::Impl::commit(const std::vector<Offset>& offsets) {
  const auto now = Clock::now();
  if (commit_under_way_ || offsets.empty() || now < next_commit_) return false;
  next_commit_ = now + commit_again_after;
  const auto list = to_list(offsets);
  // The answer arrives in events_, so on_own_commit() runs on this executor.
  const auto code = rd_kafka_commit_queue(client_.get(), list.get(), events_.get(),
                                          &Impl::on_own_commit, this);
  commit_under_way_ = code == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!commit_under_way_) metrics_.commit_failures.Increment();
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
  if (!outcome) return source.metrics_.commits.Increment();
  // Nothing to repeat: the next commit carries the same or later offsets.
  source.metrics_.commit_failures.Increment();
  source.note_denial(outcome, "");
  if (source.may_log())
    runtime::log(runtime::LogLevel::warn, "kafka.commit_failed", {{"cause", describe(outcome)}});
}

}  // namespace memseal::kafka
