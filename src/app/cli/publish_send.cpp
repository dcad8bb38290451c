#include "app/cli/publish_send.hpp"

#include "adapters/kafka/tail.hpp"
#include "app/cli/child_process.hpp"
#include "app/cli/console.hpp"
#include "app/cli/count_line.hpp"
#include "app/cli/event_ends.hpp"
#include "app/cli/producer_key.hpp"
#include "app/cli/publish_fates.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/service/wiring.hpp"
#include "pure/wire/event.hpp"
#include "runtime/task_group.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
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
/// For the status event of a record that may have arrived: after the publishing nothing is sent any
/// more, so its status is there soon or never.
constexpr auto unknown_grace = 5s;
constexpr std::size_t label_bytes_max = 300;
constexpr std::size_t long_text_bytes_a_second = 4'096;

void say(const std::string& sentence) {
  std::fprintf(stderr, "memseal: %s\n", one_line(sentence, outgoing_sentence_max).c_str());
}

/// The code of an event's end, where it is one of errc.hpp.
Errc code_of(const EventEnd& end) {
  if (end.code == "erased") return Errc::tenant_erased;
  const auto* row = find_errc(end.code);
  return row ? row->code : Errc::bad_event;
}

class Sending {
 public:
  Sending(const GlobalOptions& global, const Config& config, const PublishOptions& options,
          std::vector<Outgoing> events, LongTexts* long_texts,
          std::optional<producers::Signer> signer)
      : global_(global),
        config_(config),
        options_(options),
        events_(std::move(events)),
        long_texts_(long_texts),
        signer_(std::move(signer)),
        open_(source_of(options)),
        progress_(global, events_.size()),
        fates_(events_.size()) {
    for (std::size_t i = 0; i < events_.size(); ++i) open_.add(events_[i].event_id, i);
  }

  int run();

 private:
  Result<void> connect();
  Result<void> open_tail();
  bool has_long_text() const;
  bool is_waited_for(std::size_t index) const;
  std::size_t silent(Delivery delivery) const;
  std::chrono::seconds silence_max() const;
  void publish();
  asio::awaitable<void> publish_beside_sink();
  asio::awaitable<void> publish_each();
  ports::OutRecord signed_record(const Outgoing& event) const;
  void wait(milliseconds published);
  int report();
  bool complain_refused() const;
  void complain_broken() const;
  void report_json() const;
  void report_stored() const;
  void report_published() const;

  const GlobalOptions& global_;
  const Config& config_;
  const PublishOptions& options_;
  std::vector<Outgoing> events_;
  LongTexts* const long_texts_;
  const std::optional<producers::Signer> signer_;
  OpenEvents open_;
  runtime::Metrics metrics_;
  asio::io_context loop_{1};
  std::unique_ptr<kafka::KafkaSink> sink_;
  std::unique_ptr<kafka::Tail> tail_;  // null: this call does not wait
  CountLine progress_;
  Fates fates_;
  std::optional<Error> failure_;  // of publishing
  bool interrupted_ = false;
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
  return options_.no_wait && !has_long_text() ? Result<void>() : open_tail();
}

bool Sending::has_long_text() const {
  return std::any_of(events_.begin(), events_.end(),
                     [](const Outgoing& event) { return event.long_upload.has_value(); });
}

/// With --no-wait, only where a text has a file that is to be removed.
bool Sending::is_waited_for(std::size_t index) const {
  return !options_.no_wait || events_[index].long_upload.has_value();
}

/// Events that are waited for, of which nothing was heard.
std::size_t Sending::silent(Delivery delivery) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < events_.size(); ++i)
    if (is_waited_for(i) && fates_[i].delivery == delivery && !fates_[i].end) ++count;
  return count;
}

/// --timeout where it is given. Else its default, and what the models may need for the longest text
/// that is not stored yet on a slow machine.
std::chrono::seconds Sending::silence_max() const {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < events_.size(); ++i)
    if (!fates_[i].end) bytes = std::max(bytes, events_[i].long_text_bytes);
  if (options_.timeout_s) return std::chrono::seconds(*options_.timeout_s);
  return publish_silence_max + std::chrono::seconds(bytes / long_text_bytes_a_second);
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

/// Signed just before it goes, because a signature ages while the events before it are sent.
ports::OutRecord Sending::signed_record(const Outgoing& event) const {
  auto record = event.record;
  if (signer_)
    signer_->add_signature(event.topic, record.key, record.event_id, record.event_source,
                           record.value, record.headers, producers::Purpose::event,
                           runtime::unix_ms());
  return record;
}

asio::awaitable<void> Sending::publish_each() {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    if (was_interrupted()) throw_failure({Errc::cancelled, "stopped by a signal"});
    const runtime::RequestContext context{events_[i].event_id,
                                          runtime::Deadline::after(publish_timeout)};
    // Until the confirmation comes, whatever ends this coroutine leaves the delivery unknown.
    fates_.deliver(i, Delivery::unknown);
    try {
      auto record = signed_record(events_[i]);
      co_await sink_->publish(context, std::move(record));
    } catch (const Failure& failed) {
      fates_.deliver(i, delivery_after(failed.error().code));
      throw;
    }
    fates_.deliver(i, Delivery::sent);
    progress_.show("published", i + 1);
  }
  sink_->request_stop();
}

/// Waits for the ends of the events. The time limit counts from the last news. An event that may
/// not have arrived is waited for no longer than its grace. A signal ends the wait, not the report.
void Sending::wait(milliseconds published) {
  const auto began = runtime::Clock::now();
  const auto grace = runtime::Deadline::after(unknown_grace);
  auto deadline = runtime::Deadline::after(silence_max());
  while (!deadline.passed()) {
    interrupted_ = was_interrupted();
    if (interrupted_) return;
    const bool open_sent = silent(Delivery::sent) > 0;
    if (!open_sent && (silent(Delivery::unknown) == 0 || grace.passed())) return;
    const auto record = tail_->next(std::min(deadline.left_ms(), milliseconds(500)));
    if (!record) continue;
    auto end = open_.read(*record);
    if (!end) continue;
    fates_.end(end->first, std::move(end->second),
               published + std::chrono::duration_cast<milliseconds>(runtime::Clock::now() - began));
    progress_.show("stored", fates_.ended());
    deadline = runtime::Deadline::after(silence_max());
  }
}

int Sending::run() {
  if (auto connected = connect(); !connected) {
    complain({connected.error().code, connected.error().message + "; nothing was sent"});
    return connected.error().code == Errc::unavailable ? exit_not_ready : exit_usage;
  }
  const Interruptible interruptible;
  if (has_long_text())
    if (const int stored = long_texts_->store_all(events_); stored != exit_ok) return stored;
  const auto began = runtime::Clock::now();
  publish();
  const auto published = std::chrono::duration_cast<milliseconds>(runtime::Clock::now() - began);
  if (tail_) wait(published);
  const int code = report();
  if (has_long_text()) long_texts_->remove_all(events_, fates_);
  return code;
}

void Sending::report_json() const {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const auto& event = events_[i];
    const auto& fate = fates_[i];
    json::object line{{"event_id", event.event_id}, {"topic", event.topic}, {"what", event.label}};
    line["state"] = fate.state();
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
  const auto stored = fates_.stored();
  if (stored == 0) return;
  std::int64_t chunks = 0;
  milliseconds took{0};
  std::string label;
  bool before = true;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const auto& fate = fates_[i];
    if (!fate.stored()) continue;
    label = one_line(events_[i].label, label_bytes_max);
    chunks += fate.end->chunks;
    took = std::max(took, fate.took);
    before = before && fate.end->before;
  }
  if (stored > 1) label = count_of(stored, "document");
  const auto chunks_stored =
      count_of(static_cast<std::size_t>(std::max<std::int64_t>(chunks, 0)), "chunk");
  std::printf("%s %s, %s, %lld ms\n", before ? "stored before:" : "stored", label.c_str(),
              chunks_stored.c_str(),
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
                count_of(events_.size(), "document").c_str(),
                first.topic.c_str());
}

/// Says which events ingest refused. Returns whether there are any.
bool Sending::complain_refused() const {
  bool any = false;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const auto& end = fates_[i].end;
    if (!end || end->stored) continue;
    any = true;
    complain({code_of(*end), one_line(events_[i].label + " is not stored: " + end->code +
                                          (end->why.empty() ? "" : ": " + end->why),
                                      outgoing_sentence_max)});
  }
  return any;
}

/// Says how far the publishing came.
void Sending::complain_broken() const {
  const auto sent = fates_.count(Delivery::sent);
  auto sentence = std::to_string(sent) + " of " + count_of(events_.size(), "event") +
                  (sent == 1 ? " was" : " were") + " published, then: " +
                  (failure_->code == Errc::unavailable ? "no broker at " + config_.kafka.brokers
                                                       : failure_->message);
  for (std::size_t i = 0; i < events_.size(); ++i)
    if (fates_[i].delivery == Delivery::unknown && !fates_[i].end)
      sentence += "; " + events_[i].label + " may have arrived";
  complain({failure_->code, one_line(sentence, outgoing_sentence_max)});
}

/// Prints what happened. Returns the exit code.
int Sending::report() {
  if (global_.json) report_json();
  const bool refused = complain_refused();
  const bool quiet = global_.quiet || global_.json;
  if (tail_ && !quiet) report_stored();
  const bool all_waited_for = tail_ && silent(Delivery::sent) == fates_.open(Delivery::sent);
  if (!all_waited_for && !quiet && !failure_) report_published();
  // An event whose confirmation was lost may have ended all the same.
  const bool broken = failure_ && fates_.ended() < fates_.size();
  if (broken) complain_broken();
  const auto unheard = tail_ ? silent(Delivery::sent) : 0;
  if (unheard > 0)
    complain({Errc::timeout,
              count_of(unheard, "event") +
                  (unheard == 1 ? " is" : " are") + " published, but not known to be stored " +
                  (interrupted_ ? "yet: the wait was interrupted"
                                : "after " + std::to_string(silence_max().count()) +
                                      " s: is the service running, with kafka.status_events on?")});
  if (refused) return exit_failed;
  if (broken) return failure_->code == Errc::unavailable ? exit_not_ready : exit_failed;
  return unheard > 0 ? exit_not_ready : exit_ok;
}

}  // namespace

std::string source_of(const PublishOptions& options) {
  return options.producer.empty() ? std::string(cli_event_source) : "/" + options.producer;
}

Result<void> check_event(const Outgoing& event) {
  const auto headers = event.record.headers;
  const auto parsed = wire::parse_event(
      {event.topic, event.record.key, event.record.value, &headers, runtime::unix_ms()});
  if (parsed) return {};
  auto error = parsed.error();
  const auto place = error.field.empty() ? "" : error.field + " ";
  error.message = event.label + ": " + place + error.message;
  return error;
}

int send_events(const GlobalOptions& global, const Config& config, const PublishOptions& options,
                std::vector<Outgoing> events, LongTexts* long_texts) {
  if (config.kafka.brokers.empty()) {
    complain({Errc::bad_config, "kafka.brokers is not set (env " + env_name("kafka.brokers") +
                                    "); `memseal dev` prints what to export"});
    return exit_usage;
  }
  auto signer = publish_signer(config, options);
  if (!signer) {
    complain(signer.error());
    return exit_usage;
  }
  Sending sending(global, config, options, std::move(events), long_texts, std::move(*signer));
  return sending.run();
}

}  // namespace memseal::app
