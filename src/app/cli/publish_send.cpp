#include "app/cli/publish_send.hpp"

#include "adapters/kafka/tail.hpp"
#include "app/cli/event_ends.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/service/wiring.hpp"
#include "pure/wire/event.hpp"
#include "runtime/task_group.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace memseal::app {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto connect_timeout = 2s;  // Then the broker is not there.
constexpr milliseconds publish_timeout = 15s;
constexpr std::size_t label_bytes_max = 300;

/// What became of one event, as far as this call knows.
struct Fate {
  bool sent = false;
  std::optional<EventEnd> end = {};  ///< empty: nobody waited, or no word came
  milliseconds took{0};              ///< from the first event's publishing to this end
};

void say(const std::string& sentence) {
  std::fprintf(stderr, "memseal: %s\n", one_line(sentence, 1'000).c_str());
}

std::string counted(std::int64_t count, const char* one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

/// A line that is written over, on terminals only.
class CountLine {
 public:
  CountLine(const GlobalOptions& global, std::size_t all)
      : on_(!global.quiet && !global.json && all > 1 && isatty(STDERR_FILENO) != 0), all_(all) {}
  ~CountLine() {
    if (shown_) std::fprintf(stderr, "\r%30s\r", "");
  }
  void show(const char* what, std::size_t count) {
    if (!on_) return;
    shown_ = true;
    std::fprintf(stderr, "\r%s %zu of %zu", what, count, all_);
    std::fflush(stderr);
  }

 private:
  const bool on_;
  const std::size_t all_;
  bool shown_ = false;
};

class Sending {
 public:
  Sending(const GlobalOptions& global, const Config& config, const PublishOptions& options,
          const std::vector<Outgoing>& events)
      : global_(global),
        config_(config),
        options_(options),
        events_(events),
        progress_(global, events.size()),
        fates_(events.size()) {
    for (std::size_t i = 0; i < events.size(); ++i) open_.add(events[i].event_id, i);
  }

  int run();

 private:
  Result<void> connect();
  Result<void> open_tail();
  void publish();
  asio::awaitable<void> publish_beside_sink();
  asio::awaitable<void> publish_each();
  void wait();
  int report();
  void report_json() const;
  void report_stored() const;
  void report_published() const;

  const GlobalOptions& global_;
  const Config& config_;
  const PublishOptions& options_;
  const std::vector<Outgoing>& events_;
  runtime::Metrics metrics_;
  asio::io_context loop_{1};
  std::unique_ptr<kafka::KafkaSink> sink_;
  std::unique_ptr<kafka::Tail> tail_;  // null: this call does not wait
  CountLine progress_;
  OpenEvents open_{std::string(cli_event_source)};
  std::vector<Fate> fates_;
  std::size_t sent_ = 0, stored_ = 0;
  std::optional<Error> failure_;  // of publishing
};

Result<void> Sending::connect() {
  auto options = sink_options(config_);
  // Only what is published to, because asking for a topic may make the broker create it.
  options.topics.status.clear();
  const bool chat = events_.front().record.channel == ports::Channel::chat;
  (chat ? options.topics.upload : options.topics.chat).clear();
  auto sink = kafka::KafkaSink::open(loop_.get_executor(), std::move(options), metrics_);
  if (!sink) return sink.error();
  sink_ = std::move(*sink);
  if (auto reached = sink_->connect(connect_timeout); !reached) return reached.error();
  return options_.no_wait ? Result<void>() : open_tail();
}

/// Begins to listen before anything is sent. Where status events cannot come, the call does not
/// wait and says so; with --wait it fails.
Result<void> Sending::open_tail() {
  std::string why;
  if (!config_.kafka.status_events) {
    why = "status events are off (kafka.status_events)";
  } else {
    auto tail = kafka::Tail::open(kafka_client(config_), config_.kafka.status_topic,
                                  connect_timeout);
    if (tail) {
      tail_ = std::move(*tail);
      return {};
    }
    if (tail.error().code == Errc::unavailable) return tail.error();
    why = "status events cannot be read: " + tail.error().message;
  }
  if (options_.wait)
    return Error{Errc::bad_config, "cannot wait until the events are stored: " + why};
  say("not waiting until the events are stored: " + why);
  return {};
}

void Sending::publish() {
  asio::co_spawn(loop_, publish_beside_sink(), [this](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Failure& failed) {
      failure_ = failed.error();
    }
  });
  loop_.run();
}

asio::awaitable<void> Sending::publish_beside_sink() {
  runtime::TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(sink_->run());
  group.spawn(publish_each());
  co_await group.join();
}

asio::awaitable<void> Sending::publish_each() {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const runtime::RequestContext context{events_[i].event_id,
                                          runtime::Deadline::after(publish_timeout)};
    co_await sink_->publish(context, events_[i].record);
    fates_[i].sent = true;
    progress_.show("published", ++sent_);
  }
  sink_->request_stop();
}

/// Waits for the ends of the events that were sent. The time limit counts from the last news.
void Sending::wait() {
  const auto began = runtime::Clock::now();
  const std::chrono::seconds timeout(options_.timeout_s);
  auto deadline = runtime::Deadline::after(timeout);
  std::size_t ended = 0;
  while (ended < sent_ && !deadline.passed()) {
    const auto record = tail_->next(std::min(deadline.left_ms(), milliseconds(500)));
    if (!record) continue;
    auto end = open_.read(*record);
    if (!end) continue;
    auto& fate = fates_[end->first];
    fate.end = std::move(end->second);
    fate.took = std::chrono::duration_cast<milliseconds>(runtime::Clock::now() - began);
    if (fate.end->stored) ++stored_;
    progress_.show("stored", ++ended);
    deadline = runtime::Deadline::after(timeout);
  }
}

int Sending::run() {
  if (auto connected = connect(); !connected) {
    complain({connected.error().code, connected.error().message + "; nothing was sent"});
    return connected.error().code == Errc::unavailable ? exit_not_ready : exit_usage;
  }
  const auto began = runtime::Clock::now();
  publish();
  const auto published = std::chrono::duration_cast<milliseconds>(runtime::Clock::now() - began);
  if (tail_) wait();
  for (auto& fate : fates_)
    if (fate.end) fate.took += published;
  return report();
}

void Sending::report_json() const {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const auto& event = events_[i];
    const auto& fate = fates_[i];
    json::object line{{"event_id", event.event_id}, {"topic", event.topic}, {"what", event.label}};
    line["state"] = !fate.sent        ? "not_sent"
                    : !fate.end       ? "published"
                    : fate.end->stored ? "stored"
                                       : "failed";
    if (fate.end) {
      line["chunks"] = fate.end->chunks;
      line["took_ms"] = fate.took.count();
      if (!fate.end->stored) {
        line["code"] = fate.end->code;
        line["message"] = fate.end->why;
      }
    }
    std::printf("%s\n", escape_controls(json::serialize(line)).c_str());
  }
}

void Sending::report_stored() const {
  if (stored_ == 0) return;
  std::int64_t chunks = 0;
  milliseconds took{0};
  std::string label;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const auto& fate = fates_[i];
    if (!fate.end || !fate.end->stored) continue;
    label = one_line(events_[i].label, label_bytes_max);
    chunks += fate.end->chunks;
    took = std::max(took, fate.took);
  }
  if (stored_ > 1) label = counted(static_cast<std::int64_t>(stored_), "document");
  std::printf("stored %s, %s, %lld ms\n", label.c_str(), counted(chunks, "chunk").c_str(),
              static_cast<long long>(took.count()));
}

void Sending::report_published() const {
  const auto& first = events_.front();
  if (events_.size() == 1)
    std::printf("published %s as event %s on %s\n",
                one_line(first.label, label_bytes_max).c_str(), first.event_id.c_str(),
                first.topic.c_str());
  else
    std::printf("published %s on %s\n",
                counted(static_cast<std::int64_t>(sent_), "document").c_str(),
                first.topic.c_str());
}

/// Prints what happened. Returns the exit code.
int Sending::report() {
  if (global_.json) report_json();
  std::size_t failed = 0, silent = 0;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const auto& fate = fates_[i];
    if (fate.end && !fate.end->stored) {
      ++failed;
      say(events_[i].label + " is not stored: " + fate.end->code +
          (fate.end->why.empty() ? "" : ": " + fate.end->why));
    }
    if (fate.sent && tail_ && !fate.end) ++silent;
  }
  const bool quiet = global_.quiet || global_.json;
  if (tail_ && !quiet) report_stored();
  if (!tail_ && !quiet && !failure_) report_published();
  if (failure_) {
    const auto place = std::to_string(sent_) + " of " + counted(std::ssize(events_), "event");
    say(place + (sent_ == 1 ? " was" : " were") + " published, then: " +
        (failure_->code == Errc::unavailable ? "no broker at " + config_.kafka.brokers
                                             : failure_->message));
  }
  if (silent > 0)
    say(counted(static_cast<std::int64_t>(silent), "event") +
        (silent == 1 ? " is" : " are") + " published, but not known to be stored after " +
        std::to_string(options_.timeout_s) +
        " s: is the service running, with kafka.status_events on?");
  if (failed > 0) return exit_failed;
  if (failure_) return failure_->code == Errc::unavailable ? exit_not_ready : exit_failed;
  return silent > 0 ? exit_not_ready : exit_ok;
}

}  // namespace

Result<void> check_event(const Outgoing& event) {
  const auto headers = event.record.headers;
  const auto parsed = wire::parse_event(
      {event.topic, event.record.key, event.record.value, &headers, runtime::unix_ms()});
  if (parsed) return {};
  auto error = parsed.error();
  error.message = event.label + ": " + error.message;
  return error;
}

int send_events(const GlobalOptions& global, const Config& config, const PublishOptions& options,
                const std::vector<Outgoing>& events) {
  if (config.kafka.brokers.empty()) {
    complain({Errc::bad_config, "kafka.brokers is not set (env " + env_name("kafka.brokers") +
                                    "); `memseal dev` prints what to export"});
    return exit_usage;
  }
  Sending sending(global, config, options, events);
  return sending.run();
}

}  // namespace memseal::app
