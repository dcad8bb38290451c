#include "adapters/kafka/source.hpp"

#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/lasting_errors.hpp"
#include "adapters/kafka/internal/source_impl.hpp"
#include "base/assert.hpp"
#include "runtime/log.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::kafka {

namespace {

using namespace std::chrono_literals;

// With stop_wait and revoke_wait of the source and stop_wait of the sink less than 20 s, which is
// what a supervisor commonly grants between SIGTERM and SIGKILL.
constexpr auto close_wait = 4s;
constexpr std::size_t takes_max = 64;  // Then other coroutines of this loop run.
constexpr std::size_t take_records_max = 32;  // of one partition, before the next has its turn

std::string commit_interval_ms() {
  return std::to_string(std::chrono::milliseconds(limits::offset_commit_every).count());
}

std::vector<Property> defaults() {
  return {{"session.timeout.ms", "10000"},
          {"max.poll.interval.ms", "300000"},
          {"partition.assignment.strategy", "cooperative-sticky"},
          // Both are limits of one partition.
          {"queued.max.messages.kbytes", "2048"},
          {"queued.min.messages", "2000"},
          {"fetch.queue.backoff.ms", "20"},
          {"fetch.message.max.bytes", std::to_string(limits::event_bytes_max)},
          {"fetch.wait.max.ms", "100"},
          {"topic.metadata.refresh.interval.ms", "10000"},
          {"reconnect.backoff.max.ms", "5000"},
          {"isolation.level", "read_committed"},
          {"auto.offset.reset", "earliest"},
          {"check.crcs", "true"},
          {"client.id", "memseal"}};
}

}  // namespace

KafkaSource::Impl::Impl(const asio::any_io_executor& executor, SourceOptions options,
                        runtime::Metrics& metrics)
    : options_(std::move(options)),
      metrics_(metrics, options_.topics),
      wake_(executor),
      arrived_(executor),
      assignment_({.records = options_.records_max, .bytes = options_.bytes_max}) {}

KafkaSource::Impl::~Impl() {
  MEMSEAL_ASSERT(!running_);
  if (events_) Wake::ignore(events_.get());
  for (const auto& [partition, queue] : queues_) Wake::ignore(queue.get());
}

Result<void> KafkaSource::Impl::open() {
  if (options_.group.empty())
    return Error{Errc::bad_config, "no consumer group is named", "kafka.group"};
  if (options_.topics.empty())
    return Error{Errc::bad_config, "no topic to consume is named", "kafka.topics"};
  std::vector<Property> fixed{{"group.id", options_.group},
                              // The library commits the offsets that done() stored, and only
                              // those. It waits while the group rebalances. A commit of our own
                              // would be refused then and cost this member its partitions.
                              {"enable.auto.commit", "true"},
                              {"auto.commit.interval.ms", commit_interval_ms()},
                              {"enable.auto.offset.store", "false"},
                              {"enable.partition.eof", "false"},
                              {"statistics.interval.ms", "2000"}};
  if (!options_.instance_id.empty())
    fixed.emplace_back("group.instance.id", options_.instance_id);
  auto conf = make_conf(options_.client, defaults(), fixed);
  if (!conf) return conf.error();
  rd_kafka_conf_set_opaque(conf->get(), this);
  rd_kafka_conf_set_rebalance_cb(conf->get(), &Impl::on_rebalance);
  rd_kafka_conf_set_offset_commit_cb(conf->get(), &Impl::on_commit);
  rd_kafka_conf_set_error_cb(conf->get(), &Impl::on_error);
  rd_kafka_conf_set_stats_cb(conf->get(), &Impl::on_statistics);
  auto client = make_client(RD_KAFKA_CONSUMER, std::move(*conf));
  if (!client) return client.error();
  client_ = std::move(*client);
  rd_kafka_poll_set_consumer(client_.get());
  offsets_.emplace(client_.get(), options_.group);
  events_.reset(rd_kafka_queue_get_consumer(client_.get()));
  wake_.listen(events_.get());
  return {};
}

Result<void> KafkaSource::Impl::subscribe() {
  PartitionList topics(
      rd_kafka_topic_partition_list_new(static_cast<int>(options_.topics.size())));
  for (const auto& topic : options_.topics)
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  const auto code = rd_kafka_subscribe(client_.get(), topics.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return Error{Errc::bad_config, "cannot subscribe to the topics: " + describe(code),
               "kafka.topics"};
}

asio::awaitable<void> KafkaSource::Impl::run() {
  subscribe().value();
  running_ = true;
  std::exception_ptr failure;
  try {
    co_await poll_until_stopped();
  } catch (const Refused&) {
    metrics_.fenced.Set(1);
    failure = std::current_exception();
  } catch (...) {
    failure = std::current_exception();
  }
  // Leave the group even when cancelled, because otherwise its partitions stay without a consumer
  // until the session times out. Leaving takes a few round trips.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  stopping_ = true;
  arrived_.notify_all();
  co_await close();
  running_ = false;
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> KafkaSource::Impl::poll_until_stopped() {
  while (!stopping_) {
    poll_once();
    co_await wake_.wait_for(revocation_ ? closing_tick : tick);
  }
  const auto deadline = Clock::now() + options_.stop_wait;
  while (assignment_.records_in_flight() > 0 && Clock::now() < deadline) {
    poll_once();
    co_await wake_.wait_for(tick);
  }
  const auto report_deadline = Clock::now() + options_.report_wait;
  while (assignment_.unreported(assignment_.all()) && Clock::now() < report_deadline) {
    poll_once();
    co_await wake_.wait_for(closing_tick);
  }
}

// The loop keeps running, so the close is polled: a blocking rd_kafka_consumer_close() would call
// on_rebalance() from inside and stop every other coroutine for up to close_wait.
asio::awaitable<void> KafkaSource::Impl::close() {
  for (const auto& record : buffer_) assignment_.unbuffered(record);
  buffer_.clear();
  closing_ = true;
  const auto commit_deadline = Clock::now() + options_.revoke_wait;
  while (Clock::now() < commit_deadline) {
    const auto offsets = assignment_.uncommitted();
    if (offsets.empty() && !commit_under_way_) break;
    commit(offsets);
    co_await wake_.wait_for(closing_tick);
    serve_events();
    step_revocation(Clock::now());
  }
  const auto deadline = Clock::now() + close_wait;
  const KafkaError refused(rd_kafka_consumer_close_queue(client_.get(), events_.get()));
  if (refused)
    runtime::log(runtime::LogLevel::warn, "kafka.close_refused",
                 {{"cause", rd_kafka_error_string(refused.get())}});
  while (!refused && !rd_kafka_consumer_closed(client_.get()) && Clock::now() < deadline) {
    serve_events();
    step_revocation(Clock::now());
    co_await wake_.wait_for(closing_tick);
  }
  // A member that can never consume again keeps its lag, because nobody may have taken it over.
  if (metrics_.fenced.Value() == 0)
    for (const auto& partition : assignment_.all()) forget_lag(partition);
  connected = false;
  metrics_.connected.Set(0);
  metrics_.partitions.Set(0);
}

void KafkaSource::Impl::poll_once() {
  serve_events();
  if (take_records()) wake_.notify();
  throw_if_lasting();
  const auto now = Clock::now();
  step_revocation(now);
  if (now >= next_lag_update_) update_lag(now);
  if (!buffer_.empty()) arrived_.notify_all();
}

// Ends the source, because a member that polls and never consumes again looks healthy from outside.
void KafkaSource::Impl::throw_if_lasting() {
  if (auto fatal = fatal_error(client_.get())) throw Refused(std::move(*fatal));
  if (denied_) throw Refused(*denied_);
}

// Each call also proves to librdkafka that this member is alive (max.poll.interval.ms), so it must
// run at least each second, also while the consumer is paused.
void KafkaSource::Impl::serve_events() {
  std::array<rd_kafka_message_t*, 16> messages;
  for (;;) {
    const auto got =
        rd_kafka_consume_batch_queue(events_.get(), 0, messages.data(), messages.size());
    if (got <= 0) return;
    buffer_records(messages.data(), static_cast<std::size_t>(got));
  }
}

// Each partition has its turn. True when records may be left although there is room. The caller
// must then come back unasked, because librdkafka wakes us only when an empty queue gets its first
// record.
bool KafkaSource::Impl::take_records() {
  if (held_) return false;
  std::size_t takes = 0, fruitless = 0;  // the latter in a row
  auto next = queues_.upper_bound(last_read_), last = queues_.end();
  for (; fruitless < queues_.size() && takes < takes_max; ++next) {
    if (next == queues_.end()) next = queues_.begin();
    const bool found = assignment_.has_room(next->first) && take_from(next->second);
    fruitless = found ? 0 : fruitless + 1;
    if (!found) continue;
    ++takes;
    last = next;
  }
  if (last != queues_.end()) last_read_ = last->first;
  metrics_.paused.Set(assignment_.rests() ? 1 : 0);
  return takes == takes_max;
}

// The size of records is known only when they are taken, so that each counts as the largest.
bool KafkaSource::Impl::take_from(const Queue& queue) {
  std::array<rd_kafka_message_t*, take_records_max> messages;
  const auto fitting = assignment_.bytes_free() / limits::event_bytes_max;
  const auto wanted = std::clamp<std::size_t>(fitting, 1, messages.size());
  const auto count = rd_kafka_consume_batch_queue(queue.get(), 0, messages.data(), wanted);
  if (count <= 0) return false;
  buffer_records(messages.data(), static_cast<std::size_t>(count));
  return true;
}

void KafkaSource::Impl::request_stop() {
  stopping_ = true;
  arrived_.notify_all();
  wake_.notify();
}

// Partitions are not paused in the library, which would throw away what is prefetched. Events are
// served as always, so the group keeps this member.
void KafkaSource::Impl::set_held(bool held) {
  held_ = held;
  if (held) return;
  arrived_.notify_all();
  // Asked for, because the library wakes nobody for a queue that was not empty before.
  wake_.notify();
}

asio::awaitable<ports::Batch> KafkaSource::Impl::next() {
  while ((buffer_.empty() || held_) && !stopping_) co_await arrived_.wait();
  ports::Batch batch{.records = {}, .generation = assignment_.generation()};
  if (stopping_) co_return batch;
  std::size_t bytes = 0;
  while (!buffer_.empty() && batch.records.size() < limits::batch_records_max) {
    const auto size = buffer_.front().bytes();
    if (!batch.records.empty() && bytes + size > limits::batch_bytes_max) break;
    bytes += size;
    assignment_.unbuffered(buffer_.front());
    batch.records.push_back(std::move(buffer_.front()));
    buffer_.pop_front();
  }
  assignment_.taken(batch);
  co_return batch;
}

void KafkaSource::Impl::done(const ports::Batch& batch) {
  store(assignment_.done(batch));
  wake_if_useful();
}

void KafkaSource::Impl::settled(const ports::Batch& batch) {
  assignment_.settled(batch);
  wake_if_useful();
}

void KafkaSource::Impl::confirmed(const ports::Batch& batch) {
  store(assignment_.confirmed(batch));
  wake_if_useful();
}

void KafkaSource::Impl::store(const std::vector<Offset>& offsets) {
  if (offsets.empty()) return;
  // librdkafka refuses offsets of partitions that this member lost meanwhile. Ignore that, because
  // their new owner reads the records again.
  const auto list = to_list(offsets);
  rd_kafka_offsets_store(client_.get(), list.get());
}

void KafkaSource::Impl::dropped(const ports::Batch& batch) {
  assignment_.dropped(batch);
  wake_if_useful();
}

// Only when something goes on because a record was returned; the loop runs each second anyway.
void KafkaSource::Impl::wake_if_useful() {
  if (revocation_ || stopping_ || assignment_.may_resume()) wake_.notify();
}

bool KafkaSource::Impl::keeps(const ports::Record& record, std::uint64_t generation) const {
  return assignment_.keeps(record, generation);
}

void KafkaSource::Impl::on_departure(std::function<void()> left) { left_ = std::move(left); }

KafkaSource::KafkaSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaSource::~KafkaSource() = default;

Result<std::unique_ptr<KafkaSource>> KafkaSource::open(const asio::any_io_executor& executor,
                                                       SourceOptions options,
                                                       runtime::Metrics& metrics) {
  auto impl = std::make_unique<Impl>(executor, std::move(options), metrics);
  if (auto opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<KafkaSource>(new KafkaSource(std::move(impl)));
}

asio::awaitable<void> KafkaSource::run() { return impl_->run(); }
void KafkaSource::request_stop() { impl_->request_stop(); }
void KafkaSource::set_held(bool held) { impl_->set_held(held); }
asio::awaitable<ports::Batch> KafkaSource::next() { return impl_->next(); }
void KafkaSource::done(const ports::Batch& batch) { impl_->done(batch); }
void KafkaSource::settled(const ports::Batch& batch) { impl_->settled(batch); }
void KafkaSource::confirmed(const ports::Batch& batch) { impl_->confirmed(batch); }
void KafkaSource::dropped(const ports::Batch& batch) { impl_->dropped(batch); }
bool KafkaSource::keeps(const ports::Record& record, std::uint64_t generation) const {
  return impl_->keeps(record, generation);
}
void KafkaSource::on_departure(std::function<void()> left) { impl_->on_departure(std::move(left)); }
bool KafkaSource::connected() const noexcept { return impl_->connected; }
std::int64_t KafkaSource::lag() const noexcept { return impl_->lag; }

}  // namespace memseal::kafka
