#include "adapters/kafka/sink.hpp"

#include "adapters/kafka/internal/broker_clock.hpp"
#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/lasting_errors.hpp"
#include "adapters/kafka/internal/pending_publishes.hpp"
#include "adapters/kafka/internal/producer_topics.hpp"
#include "adapters/kafka/internal/wake.hpp"
#include "base/assert.hpp"
#include "base/on_exit.hpp"
#include "runtime/log.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <optional>
#include <string_view>

namespace memseal::kafka {

namespace {

using namespace std::chrono_literals;


// The client refuses a record above message.max.bytes with MSG_SIZE_TOO_LARGE, and so does a broker
// above its own limit. Waiting cannot help, because no retry makes the record smaller.
bool is_too_large(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
         code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE;
}

// A queue that is full asks the caller to slow down. Every other code counts as transient, because
// librdkafka has retried until message.timeout.ms by itself, and what is left is a broker that is
// unavailable.
[[noreturn]] void fail(rd_kafka_resp_err_t code, const std::string& topic) {
  if (is_denied(code)) throw Refused(denied_error(code, topic));
  const auto errc = is_too_large(code)                      ? Errc::payload_too_large
                    : code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? Errc::overloaded
                                                            : Errc::unavailable;
  throw_failure({errc, "Kafka did not take a record for topic " + topic + ": " + describe(code)});
}

std::string topic_of(const ports::OutRecord& record, const ChannelTopics& topics) {
  std::string topic;
  switch (record.channel) {
    case ports::Channel::upload: topic = topics.upload; break;
    case ports::Channel::chat: topic = topics.chat; break;
    case ports::Channel::status: topic = topics.status; break;
    case ports::Channel::dead_letter:
      if (!record.source_topic.empty()) topic = record.source_topic + dead_letter_suffix.data();
      break;
  }
  if (topic.empty()) throw Refused({Errc::bad_config, "no Kafka topic is set for a channel"});
  return topic;
}

std::vector<Property> defaults(const SinkOptions& options) {
  return {{"linger.ms", std::to_string(options.linger.count())},
          {"message.max.bytes", "4194304"},  // The broker's own limit decides.
          {"queue.buffering.max.kbytes", "65536"},
          {"reconnect.backoff.max.ms", "5000"},
          {"topic.metadata.refresh.interval.ms", "60000"},
          {"client.id", "memseal"}};
}

// enable.idempotence: a retry inside librdkafka neither duplicates nor reorders records. acks=all:
// a record is confirmed once every in-sync replica has it. The statistics are the only report of a
// broker that is connected, see on_statistics().
std::vector<Property> guarantees(const SinkOptions& options) {
  return {{"enable.idempotence", "true"},
          {"acks", "all"},
          {"message.timeout.ms", std::to_string(options.publish_timeout.count())},
          {"queue.buffering.max.messages", std::to_string(options.outstanding_max)},
          {"statistics.interval.ms", "2000"}};
}

}  // namespace

class KafkaSink::Impl {
 public:
  Impl(const asio::any_io_executor& executor, SinkOptions options, runtime::Metrics& metrics)
      : options_(std::move(options)),
        confirmed_(metrics.counter("memseal_kafka_published_total", "Records published.",
                                   {{"outcome", "confirmed"}})),
        failed_(metrics.counter("memseal_kafka_published_total", "Records published.",
                                {{"outcome", "failed"}})),
        connected_gauge_(metrics.gauge("memseal_kafka_connected",
                                       "1 while a broker is connected.", {{"role", "producer"}})),
        clock_ahead_(metrics.gauge("memseal_kafka_clock_ahead_seconds",
                                   "How far the brokers' clock is ahead of this machine's.")),
        wake_(executor),
        pending_(options_.outstanding_max) {}
  ~Impl() {
    MEMSEAL_ASSERT(!running_);
    // `wake_` closes the eventfd. A thread of librdkafka that still wrote to the descriptor then
    // would write into whatever file has the same number.
    if (main_queue_) Wake::ignore(main_queue_.get());
  }

  Result<void> open();
  Result<void> connect(std::chrono::milliseconds timeout);
  asio::awaitable<void> run();
  void request_stop();
  asio::awaitable<void> publish(runtime::RequestContext context, ports::OutRecord record);

  std::atomic<bool> connected{false};
  std::atomic<int> looks_without_broker{0};  // in turn
  std::atomic<std::int64_t> broker_ahead_ms{0};

 private:
  using Clock = std::chrono::steady_clock;

  static void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void* self);
  static void on_error(rd_kafka_t*, int code, const char* reason, void* self);
  static int on_statistics(rd_kafka_t*, char* json, std::size_t size, void* self);

  asio::awaitable<void> serve();
  asio::awaitable<void> flush();
  void produce(const std::string& topic, const ports::OutRecord& record,
               PendingPublishes::Ticket ticket);
  void throw_if_fatal();
  void note_broker_time(const rd_kafka_message_t& message);

  const SinkOptions options_;
  runtime::Counter& confirmed_;
  runtime::Counter& failed_;
  runtime::Gauge& connected_gauge_;
  runtime::Gauge& clock_ahead_;
  // The order of destruction matters: topics and queue go before the client that they belong to,
  // and the client goes before the eventfd that its threads write to.
  Wake wake_;
  Placements placements_;  // librdkafka reads it for as long as the client lives
  Client client_;
  Queue main_queue_;

  std::optional<ProducerTopics> topics_;
  PendingPublishes pending_;
  BrokerClock broker_clock_;

  bool stopping_ = false, running_ = false;
  Clock::time_point next_log_{};
};

Result<void> KafkaSink::Impl::open() {
  auto conf = make_conf(options_.client, defaults(options_), guarantees(options_));
  if (!conf) return conf.error();
  rd_kafka_conf_set_opaque(conf->get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf->get(), &Impl::on_report);
  rd_kafka_conf_set_error_cb(conf->get(), &Impl::on_error);
  rd_kafka_conf_set_stats_cb(conf->get(), &Impl::on_statistics);
  auto client = make_client(RD_KAFKA_PRODUCER, std::move(*conf));
  if (!client) return client.error();
  client_ = std::move(*client);
  topics_.emplace(client_.get(), placements_);
  main_queue_.reset(rd_kafka_queue_get_main(client_.get()));
  wake_.listen(main_queue_.get());
  return {};
}

Result<void> KafkaSink::Impl::connect(std::chrono::milliseconds timeout) {
  const auto& channels = options_.topics;
  for (const auto& topic : {channels.upload, channels.chat, channels.status})
    if (!topic.empty()) topics_->get(topic);
  const rd_kafka_metadata_t* found = nullptr;
  const auto code = rd_kafka_metadata(client_.get(), /*all_topics=*/0, nullptr, &found,
                                      static_cast<int>(timeout.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return no_broker_error(code, options_.client);
  const Metadata metadata(found);
  return {};
}

asio::awaitable<void> KafkaSink::Impl::run() {
  running_ = true;
  std::exception_ptr failure;
  try {
    co_await serve();
  } catch (...) {
    failure = std::current_exception();
  }
  // A cancelled run() flushes too, because publish() accepted these records. The flush waits, so it
  // must not be cancelled itself.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await flush();
  running_ = false;
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> KafkaSink::Impl::serve() {
  while (!stopping_) {
    rd_kafka_poll(client_.get(), 0);  // Serves everything that is queued.
    throw_if_fatal();
    co_await wake_.wait_for(tick);
  }
}

asio::awaitable<void> KafkaSink::Impl::flush() {
  pending_.close();
  const auto deadline = Clock::now() + options_.stop_wait;
  // After a fatal error nothing is sent any more, so there is nothing to wait for.
  while (!fatal_error(client_.get()) && rd_kafka_outq_len(client_.get()) > 0 &&
         Clock::now() < deadline) {
    rd_kafka_poll(client_.get(), 0);
    co_await wake_.wait_for(closing_tick);
  }
  // The purge fails what is left. Reports of records in flight come from broker threads and may be
  // late, so settle_all() resumes the callers at once. Their records may still have arrived.
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_poll(client_.get(), 0);
  pending_.settle_all(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
  connected = false;
  connected_gauge_.Set(0);
}

void KafkaSink::Impl::request_stop() {
  stopping_ = true;
  wake_.notify();
}

asio::awaitable<void> KafkaSink::Impl::publish(runtime::RequestContext context,
                                               ports::OutRecord record) {
  throw_if_fatal();
  const auto topic = topic_of(record, options_.topics);
  auto waiter = std::make_shared<PendingPublish>(co_await asio::this_coro::executor);
  waiter->timer.expires_at(context.deadline.within(options_.publish_timeout).at());
  const auto ticket = pending_.add(waiter);
  // A caller that stops waiting removes its ticket. Its report comes later and finds no waiter.
  const OnExit leave([&] { pending_.remove(ticket); });
  // No report is missed between this call and the wait, because settle() posts to the executor that
  // runs this coroutine now.
  produce(topic, record, ticket);
  while (!waiter->report) {
    // The timer ends for one of three reasons: the report came, the caller was cancelled, or the
    // deadline passed.
    boost::system::error_code woken;
    co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      throw boost::system::system_error(asio::error::operation_aborted);
    if (!woken && !waiter->report) fail(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, topic);
  }
  if (*waiter->report == RD_KAFKA_RESP_ERR_NO_ERROR) co_return;
  // A fatal error is why this report failed. It names what to fix, and the report does not.
  throw_if_fatal();
  fail(*waiter->report, topic);
}

void KafkaSink::Impl::produce(const std::string& topic, const ports::OutRecord& record,
                              PendingPublishes::Ticket ticket) {
  rd_kafka_topic_t* const handle = topics_->get(topic);
  if (!handle) fail(rd_kafka_last_error(), topic);
  std::unique_ptr<rd_kafka_headers_t, FreeWith<rd_kafka_headers_destroy>> headers(
      rd_kafka_headers_new(record.headers.size()));
  for (const auto& [name, value] : record.headers)
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()),
                        value.data(), static_cast<ssize_t>(value.size()));
  if (!record.placed_by.empty()) placements_.put(ticket, record.placed_by);
  void* const opaque = reinterpret_cast<void*>(ticket);  // NOLINT: a number in disguise
  const void* const key = record.key.empty() ? nullptr : record.key.data();
  // MSG_F_COPY, because the record ends with the caller's frame and librdkafka sends it later.
  const auto code = rd_kafka_producev(
      client_.get(), RD_KAFKA_V_RKT(handle),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, record.key.size()),
      RD_KAFKA_V_VALUE(const_cast<char*>(record.value.data()), record.value.size()),
      RD_KAFKA_V_TIMESTAMP(record.timestamp_ms), RD_KAFKA_V_HEADERS(headers.get()),
      RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    placements_.drop(ticket);
    failed_.Increment();
    throw_if_fatal();
    fail(code, topic);
  }
  headers.release();  // The message owns them now.
}

void KafkaSink::Impl::on_report(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
  auto& sink = *static_cast<Impl*>(self);
  (message->err ? sink.failed_ : sink.confirmed_).Increment();
  if (!message->err) sink.note_broker_time(*message);
  sink.placements_.drop(reinterpret_cast<PendingPublishes::Ticket>(message->_private));
  sink.pending_.settle(reinterpret_cast<PendingPublishes::Ticket>(message->_private), message->err);
}

void KafkaSink::Impl::note_broker_time(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t kind{};
  const auto broker_ms = rd_kafka_message_timestamp(&message, &kind);
  const auto took_us = rd_kafka_message_latency(&message);
  if (kind != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME || broker_ms < 0 || took_us < 0) return;
  broker_clock_.saw(broker_ms, runtime::unix_ms(), took_us / 1'000);
  broker_ahead_ms = broker_clock_.ahead_ms();
  clock_ahead_.Set(static_cast<double>(broker_clock_.ahead_ms()) / 1e3);
}

void KafkaSink::Impl::throw_if_fatal() {
  if (auto fatal = fatal_error(client_.get())) throw Refused(std::move(*fatal));
}

void KafkaSink::Impl::on_error(rd_kafka_t*, int code, const char* reason, void* self) {
  auto& sink = *static_cast<Impl*>(self);
  const auto now = Clock::now();
  if (now < sink.next_log_) return;
  sink.next_log_ = now + log_every;
  runtime::log(
      runtime::LogLevel::warn, "kafka.producer_error",
      {{"code", rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code))}, {"cause", reason}});
}

int KafkaSink::Impl::on_statistics(rd_kafka_t*, char* json, std::size_t size, void* self) {
  auto& sink = *static_cast<Impl*>(self);
  // The text is searched and not parsed, because one fact is needed: whether the state of any
  // broker is UP.
  const bool up = std::string_view(json, size).find(R"("state":"UP")") != std::string_view::npos;
  sink.connected = up;
  sink.looks_without_broker = up ? 0 : sink.looks_without_broker + 1;
  sink.connected_gauge_.Set(up ? 1 : 0);
  // 0: librdkafka frees `json`.
  return 0;
}

KafkaSink::KafkaSink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaSink::~KafkaSink() = default;

Result<std::unique_ptr<KafkaSink>> KafkaSink::open(const asio::any_io_executor& executor,
                                                   SinkOptions options,
                                                   runtime::Metrics& metrics) {
  auto impl = std::make_unique<Impl>(executor, std::move(options), metrics);
  if (auto opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<KafkaSink>(new KafkaSink(std::move(impl)));
}

Result<void> KafkaSink::connect(std::chrono::milliseconds timeout) {
  return impl_->connect(timeout);
}
asio::awaitable<void> KafkaSink::run() { return impl_->run(); }
void KafkaSink::request_stop() { impl_->request_stop(); }
asio::awaitable<void> KafkaSink::publish(runtime::RequestContext context,
                                         ports::OutRecord record) {
  return impl_->publish(std::move(context), std::move(record));
}
bool KafkaSink::connected() const noexcept { return impl_->connected; }
bool KafkaSink::reachable() const noexcept { return impl_->looks_without_broker < 2; }
std::int64_t KafkaSink::broker_ahead_ms() const noexcept { return impl_->broker_ahead_ms; }

}  // namespace memseal::kafka
