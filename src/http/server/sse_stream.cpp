#include "http/server/sse_stream.hpp"

#include "http/server/session.hpp"

#include "base/errc.hpp"
#include "base/on_exit.hpp"
#include "pure/wire/line_safe.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace memseal::http {

namespace {

constexpr int retry_ms = 3'000;

}  // namespace

SseStream::SseStream(Exchange& exchange, std::string query_id)
    : server_(exchange.server),
      session_(exchange.session),
      query_id_(std::move(query_id)),
      chunked_(exchange.head.minor_version == 1),
      last_sent_(runtime::Clock::now()),
      sent_(exchange.server.executor) {
  ++server_.streams;
  server_.metrics.streams_active.Increment();
  server_.metrics.streams_started.Increment();
}

SseStream::~SseStream() {
  // Every stream that started must end in a count, because the share that completed is judged.
  count(StreamEnd::failed, errc_name(Errc::internal));
  --server_.streams;
  server_.metrics.streams_active.Decrement();
}

void SseStream::count(StreamEnd end, std::string_view cause) {
  if (std::exchange(counted_, true)) return;
  server_.metrics.streams(end).Increment();
  if (end == StreamEnd::completed) return;
  server_.metrics.streams_cut(cause.empty() ? stream_end_name(end) : cause).Increment();
}

void SseStream::begin(Exchange& exchange) {
  auto fields = exchange.fields;
  fields.push_back({"Content-Type", "text/event-stream; charset=utf-8"});
  // nginx would otherwise hold events back until its buffer is full.
  fields.push_back({"X-Accel-Buffering", "no"});
  if (chunked_) fields.push_back({"Transfer-Encoding", "chunked"});
  session_.add_common_fields(exchange, fields);
  head_ = head_text(200, fields) + "\r\n";
  queued_ = wire::sse_retry(retry_ms);
}

void SseStream::add(std::string_view type, const boost::json::object& data) {
  queue(type, data, wire::SsePlace::inside);
}

void SseStream::add_last(std::string_view type, const boost::json::object& data) {
  queue(type, data, wire::SsePlace::last);
}

void SseStream::queue(std::string_view type, const boost::json::object& data,
                      wire::SsePlace place) {
  // Clients that see only the data of a frame can still tell the events apart and order them.
  boost::json::object event{{"type", type}, {"sequence_number", sequence_}};
  for (const auto& member : data) event.emplace(member.key(), member.value());
  const auto json = wire::line_safe(boost::json::serialize(event));
  queued_ += wire::sse_frame(query_id_, sequence_, type, json, place);
  ++sequence_;
}

asio::awaitable<void> SseStream::flush() { co_await send(false); }

asio::awaitable<void> SseStream::end() { co_await send(true); }

asio::awaitable<void> SseStream::keep_alive(std::chrono::milliseconds every) {
  while (!ended_) {
    co_await runtime::pause_for(last_sent_ + every - runtime::Clock::now());
    if (sending_) {
      last_sent_ = runtime::Clock::now();  // a slow write is no silence: look again later
    } else if (!ended_ && runtime::Clock::now() - last_sent_ >= every) {
      // In front, because what is queued may be half of what the work flushes together.
      queued_.insert(0, wire::sse_keepalive);
      co_await send(false);
    }
  }
}

asio::awaitable<void> SseStream::send(bool last) {
  // keep_alive() and the work both send, and two writes at once would mix their bytes.
  while (sending_) co_await sent_.wait_uncancelled();
  // Takes the events after the wait, so that a cancelled caller leaves them queued.
  std::string out = std::exchange(head_, {});
  // Not clear(), which would keep the memory of a large event as long as the stream lasts.
  const auto events = std::exchange(queued_, {});
  if (!events.empty()) out += chunked_ ? as_chunk(events) : events;
  if (last && chunked_) out += last_chunk;
  ended_ = ended_ || last;
  if (out.empty()) co_return;
  sending_ = true;
  OnExit done{[this] {
    sending_ = false;
    last_sent_ = runtime::Clock::now();
    sent_.notify_all();
  }};
  co_await session_.write_held(out);
}

}  // namespace memseal::http
