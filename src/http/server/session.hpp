#pragma once
// One connection: reads requests one after the other, has them answered, enforces timeouts.
#include "http/server/front_door.hpp"
#include "http/server/server_context.hpp"
#include "http/server/message.hpp"
#include "http/server/reader.hpp"
#include "http/server/sse_stream.hpp"

#include "runtime/task_group.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <exception>
#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace memseal::http {

/// One request being answered.
struct Exchange {
  ServerContext& server;
  Session& session;
  const RequestHead& head;
  runtime::RequestContext context;        ///< id: the request id
  std::string_view route = "unknown";     ///< pattern, for the metrics
  std::vector<OutField> fields = {};      ///< go out with the answer, whatever it is
  std::optional<SseStream> stream = {};   ///< set once an event stream has begun
  /// The head of a content was sent. What fails from here on can only close the connection.
  bool content_begun = false;
  bool is_routine = false;                ///< a probe or a scrape: only a bad answer is logged
  std::optional<runtime::Span> span = {};  ///< of the request; empty: nothing is traced
  /// Nothing was changed, so a 503 may stand for the answer: the client asks again.
  bool is_read = false;
  /// Of the caller among the requests under way, until the answer is sent.
  std::optional<Places<crypto::Tenant>::Place> user_place = {};
};

/// What became of one request.
struct Outcome {
  std::optional<Response> response = {};  ///< empty: a stream answered, or the client is gone
  int status = 200;  ///< for metrics and log; 499: the client closed the connection
};

/// The body of a request cannot be read to its end: too large, too slow, badly framed. The
/// connection closes after the answer.
class BodyRefused : public std::runtime_error {
 public:
  explicit BodyRefused(const Refusal& refusal)
      : std::runtime_error(std::string(refusal.detail)), refusal_(refusal) {}
  const Refusal& refusal() const noexcept { return refusal_; }

 private:
  Refusal refusal_;
};

/// No answer can be sent any more: the peer closed, reset or stopped reading.
class ConnectionLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Why the work on a request was aborted.
enum class AbortReason { none, client_gone, deadline, shutting_down };

/// Lives on its Server's thread, inside one coroutine (run()). The Server reaches it by tick(),
/// drain(), stop() and kill().
class Session {
 public:
  Session(asio::ip::tcp::socket socket, ServerContext& server);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Serves until the connection ends. Never throws.
  asio::awaitable<void> run();

  void tick(runtime::Clock::time_point now);  ///< enforces the timeouts
  void drain();                               ///< closes once nothing is being answered
  void stop();                                ///< aborts what is being answered (shutting_down)
  void kill();                                ///< closes the socket now

  // For the routes.

  /// Reads the whole body of the current request, at most `bytes_max`, within
  /// Options::body_timeout. Throws BodyRefused and ConnectionLost.
  asio::awaitable<std::string> read_body(std::size_t bytes_max);
  /// Waits for the next bytes of the body and returns them, at most some 80 KiB; empty at its end.
  /// Each part has Options::body_timeout. Throws BodyRefused and ConnectionLost.
  /// REQUIRES: the same `bytes_max`, of the whole body, at each call for one request.
  /// REQUIRES: not inside work that runs with `cancel_on_disconnect`, because watch() reads from
  /// the connection too.
  asio::awaitable<std::string> read_body_part(std::size_t bytes_max);
  /// Runs `work` until it ends or is aborted: by its deadline, by stop(), and with
  /// `cancel_on_disconnect` by the client that closes the connection. Returns why `work` was
  /// aborted. Rethrows what `work` threw, unless it was aborted.
  asio::awaitable<AbortReason> run_abortable(asio::awaitable<void> work, bool cancel_on_disconnect,
                                             runtime::Clock::time_point deadline);
  /// From now on the client that closes the connection aborts the work of run_abortable(), as with
  /// `cancel_on_disconnect`. REQUIRES: called once, inside that work, after the body was read.
  void end_work_on_disconnect() { work_->spawn(watch()); }
  /// Runs a helper of the work, such as the keep-alive comments of its stream, until it ends.
  void spawn_beside_work(asio::awaitable<void> helper);
  /// Writes all of `bytes`, within the write timeout; not interrupted by run_abortable(), so frames
  /// stay whole. Throws ConnectionLost.
  asio::awaitable<void> write(std::string_view bytes);
  /// write() of what the caller keeps in memory until the peer has read it.
  asio::awaitable<void> write_held(std::string_view bytes);
  /// Whether the current request takes of what all requests may hold.
  bool holds_bytes() const noexcept { return held_ > 0; }
  /// What the current request holds from now on is of this user's share.
  void hold_for(const crypto::Tenant& user) { holder_ = user; }
  /// The peer's IP address, which may be a proxy's: no header is believed, because any client can
  /// send it.
  const std::string& peer_address() const noexcept { return peer_address_; }
  /// Gives the read buffer back: a stream may last, and there are many.
  void free_read_buffer() { in_.shrink_to_fit(); }
  /// True when the peer stopped reading for the whole write timeout.
  bool write_timed_out() const noexcept { return write_timed_out_; }
  /// Adds the fields every answer carries: date, request id, caching, connection. Decides with it
  /// whether the connection serves another request.
  void add_common_fields(const Exchange& exchange, std::vector<OutField>& fields);

 private:
  using Clock = runtime::Clock;

  asio::awaitable<void> serve();
  asio::awaitable<bool> read_head();
  asio::awaitable<void> answer();
  /// Returns the status of the answer, which for a read is another one where memory is short.
  asio::awaitable<int> send(const Exchange& exchange, Response response);
  asio::awaitable<void> write_both(std::string_view head, std::string_view body);
  bool hold(std::size_t bytes);
  void hold_beyond(std::size_t bytes);
  void give_back(std::size_t bytes);
  asio::awaitable<void> refuse(const Refusal& refusal);
  void log_request(const Exchange& exchange, int status, double took_s);
  asio::awaitable<void> linger();
  asio::awaitable<std::size_t> read_some(std::size_t bytes);
  bool parse_body(std::size_t bytes_max);
  asio::awaitable<std::size_t> receive_body();
  asio::awaitable<void> watch();
  asio::awaitable<void> work_then_end(asio::awaitable<void> work);
  asio::awaitable<void> help(asio::awaitable<void> helper);
  void abort(AbortReason reason);
  void close() noexcept;
  void skip_body();

  ServerContext& server_;
  asio::ip::tcp::socket socket_;
  RequestReader reader_;
  std::string in_;                        // bytes received and not yet read as a request
  std::list<Session*>::iterator place_;
  std::string peer_address_;
  int served_ = 0;
  std::size_t held_ = 0;                  // of FrontDoor::bytes, for the current request
  ByteHolder holder_;                     // whose share that is of
  bool silent_ = true;                    // nothing of the first request has arrived
  bool idle_ = false;                     // waits for a further request of this connection
  bool closing_ = false;                  // no request after the current one
  bool gone_ = false;                     // the peer closed, or we did
  bool invited_ = false;                  // "100 Continue" was sent, or was not asked for
  bool read_timed_out_ = false, write_timed_out_ = false;
  Clock::time_point read_deadline_ = Clock::time_point::max();
  Clock::time_point write_deadline_ = Clock::time_point::max();
  Clock::time_point work_deadline_ = Clock::time_point::max();
  runtime::TaskGroup* work_ = nullptr;  // while run_abortable() runs
  bool work_done_ = false;
  std::exception_ptr work_failure_;
  AbortReason abort_reason_ = AbortReason::none;
};

}  // namespace memseal::http
