#pragma once
// One event stream: the frames of a query, their numbering, comments while it waits.
#include "http/server/http_metrics.hpp"
#include "pure/wire/sse.hpp"
#include "runtime/condition.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace boost::json {
class object;
}

namespace memseal::http {

namespace asio = boost::asio;

class Session;
struct Exchange;
struct ServerContext;

/// Every frame is `id: <query>:<n>` (the last `…:end`), its data one line of JSON with `type` and
/// `sequence_number`.
/// Bytes leave in whole frames, in order. One awaited call at a time, but for keep_alive().
class SseStream {
 public:
  SseStream(Exchange& exchange, std::string query_id);
  ~SseStream();
  SseStream(SseStream&&) = delete;

  const std::string& query_id() const noexcept { return query_id_; }

  /// Queues the status line, the fields and `retry`.
  void begin(Exchange& exchange);
  /// Queues one event; flush() sends what is queued.
  void add(std::string_view type, const boost::json::object& data);
  /// Queues the terminal event.
  void add_last(std::string_view type, const boost::json::object& data);
  asio::awaitable<void> flush();
  /// Sends what is queued and the end of the answer. After the terminal event.
  asio::awaitable<void> end();
  /// Counts how the stream ended. `cause`: of one that was cut; empty: the name of `end`.
  /// NOTE: a stream counts once. The destructor counts one that nobody counted as failed.
  void count(StreamEnd end, std::string_view cause = {});
  /// Sends a comment whenever the stream was silent for `every`; ends by cancellation.
  asio::awaitable<void> keep_alive(std::chrono::milliseconds every);

 private:
  void queue(std::string_view type, const boost::json::object& data, wire::SsePlace place);
  asio::awaitable<void> send(bool last);

  ServerContext& server_;
  Session& session_;
  std::string query_id_;
  const bool chunked_;                    // HTTP/1.0 has no chunks: the end of data is the close
  std::uint64_t sequence_ = 0;
  std::string head_, queued_;             // not yet sent
  bool sending_ = false, ended_ = false, counted_ = false;
  runtime::Clock::time_point last_sent_;
  runtime::Condition sent_;
};

}  // namespace memseal::http
