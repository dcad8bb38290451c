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

namespace memseal::kafka {

namespace {

using namespace std::chrono_literals;

// With stop_wait and revoke_wait of the source and stop_wait of the sink less than 20 s, which is
// what a supervisor commonly grants between SIGTERM and SIGKILL.
constexpr auto close_wait = 4s;
constexpr std::size_t takes_max = 16;  // Then other coroutines of this loop run.
constexpr std::size_t take_records_max = 512;

std::string commit_interval_ms() {
  return std::to_string(std::chrono::milliseconds(limits::offset_commit_every).count());
}

std::vector<Property> defaults() {
  return {{"session.timeout.ms", "10000"},
          {"max.poll.interval.ms", "300000"},
          {"partition.assignment.strategy", "cooperative-sticky"},
          {"queued.max.messages.kbytes", "16384"},
          {"queued.min.messages", "20000"},
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
      arrived_(executor) {}

KafkaSource::Impl::~Impl() {
  MEMSEAL_ASSERT(!running_);
  if (events_) Wake::ignore(events_.get());
  if (records_) Wake::ignore(records_.get());
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
  events_.reset(rd_kafka_queue_get_consumer(client_.get()));
  records_.reset(rd_kafka_queue_new(client_.get()));
  wake_.listen(events_.get());
  wake_.listen(records_.get());
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
}

// The loop keeps running, so the close is polled: a blocking rd_kafka_consumer_close() would call
// on_rebalance() from inside and stop every other coroutine for up to close_wait.
asio::awaitable<void> KafkaSource::Impl::close() {
  buffer_.clear();
  buffered_bytes_ = 0;
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
  for (const auto& partition : assignment_.all()) metrics_.lag(partition, 0);
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

// True when records may be left although there is room. The caller must then come back unasked,
// because librdkafka wakes us only when an empty queue gets its first record.
bool KafkaSource::Impl::take_records() {
  std::array<rd_kafka_message_t*, take_records_max> messages;
  for (std::size_t take = 0; take < takes_max; ++take) {
    if (!has_room()) return false;
    const auto want = std::min(options_.records_max - held_records(), messages.size());
    const auto got =
        rd_kafka_consume_batch_queue(records_.get(), 0, messages.data(), want);
    if (got <= 0) return false;
    buffer_records(messages.data(), static_cast<std::size_t>(got));
  }
  return true;
}

// Pauses at a limit and resumes at half of both limits, so that the state does not flap.
bool KafkaSource::Impl::has_room() {
  const auto records = held_records();
  const auto bytes = held_bytes();
  if (records >= options_.records_max || bytes >= options_.bytes_max)
    paused_ = true;
  else if (records <= options_.records_max / 2 && bytes <= options_.bytes_max / 2)
    paused_ = false;
  metrics_.paused.Set(paused_ ? 1 : 0);
  return !paused_;
}

void KafkaSource::Impl::request_stop() {
  stopping_ = true;
  arrived_.notify_all();
  wake_.notify();
}

asio::awaitable<ports::Batch> KafkaSource::Impl::next() {
  while (buffer_.empty() && !stopping_) co_await arrived_.wait();
  ports::Batch batch{.records = {}, .generation = assignment_.generation()};
  if (stopping_) co_return batch;
  std::size_t bytes = 0;
  while (!buffer_.empty() && batch.records.size() < limits::batch_records_max) {
    const auto size = buffer_.front().bytes();
    if (!batch.records.empty() && bytes + size > limits::batch_bytes_max) break;
    bytes += size;
    buffered_bytes_ -= size;
    batch.records.push_back(std::move(buffer_.front()));
    buffer_.pop_front();
  }
  assignment_.taken(batch);
  co_return batch;
}

void KafkaSource::Impl::done(const ports::Batch& batch) {
  const auto offsets = assignment_.done(batch);
  if (!offsets.empty()) {
    // librdkafka refuses offsets of partitions that this member lost meanwhile. Ignore that,
    // because their new owner reads the records again.
    const auto list = to_list(offsets);
    rd_kafka_offsets_store(client_.get(), list.get());
  }
  // Wake the loop only when this batch lets something go on; the loop runs each second anyway.
  if ((paused_ && has_room()) || revocation_ || stopping_) wake_.notify();
}

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
asio::awaitable<ports::Batch> KafkaSource::next() { return impl_->next(); }
void KafkaSource::done(const ports::Batch& batch) { impl_->done(batch); }
bool KafkaSource::connected() const noexcept { return impl_->connected; }
std::int64_t KafkaSource::lag() const noexcept { return impl_->lag; }

}  // namespace memseal::kafka
