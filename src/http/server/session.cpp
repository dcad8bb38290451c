#include "http/server/session.hpp"

#include "base/on_exit.hpp"
#include "http/server/front_door.hpp"
#include "http/server/tracing.hpp"
#include "runtime/log.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::http {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t read_bytes = 4'096, linger_read_bytes = 16'384;
// What a client may send ahead while its query runs; beyond it, it waits in the kernel.
constexpr std::size_t pipelined_bytes_max = 65'536;
constexpr std::size_t linger_bytes_max = 262'144;
constexpr auto linger_time = 1s;
// How long a connection that has not asked may still ask once the server drains.
constexpr auto last_call = 1s;
// Work keeps its own deadline. Work that does not is aborted this much later.
constexpr auto deadline_grace = 250ms;

}  // namespace

Session::Session(asio::ip::tcp::socket socket, ServerContext& server)
    : server_(server),
      socket_(std::move(socket)),
      place_(server.sessions.insert(server.sessions.end(), this)) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto peer = socket_.remote_endpoint(ignored);  // of no address where the peer has left
  if (!ignored) peer_address_ = peer.address().to_string();
  // watch() reads without waiting; a read that blocked would stop the whole loop.
  socket_.non_blocking(true, ignored);
  server_.metrics.connections.Increment();
  server_.metrics.connections_active.Increment();
}

Session::~Session() {
  give_back(held_);
  server_.metrics.connections_active.Decrement();
  server_.sessions.erase(place_);
}

asio::awaitable<void> Session::run() {
  // Cancellation closes the socket and aborts the work; both report it by their results.
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    co_await serve();
  } catch (const ConnectionLost&) {
    // The request was recorded; the client is gone, so no answer is sent.
  } catch (const std::exception& failure) {
    runtime::log(runtime::LogLevel::error, "http.connection_failed", {{"cause", failure.what()}});
  }
  close();
}

asio::awaitable<void> Session::serve() {
  while (!gone_ && !closing_) {
    const bool asked = co_await read_head();
    if (!asked) break;
    co_await answer();
    ++served_;
  }
  if (closing_ && !gone_) co_await linger();
}

asio::awaitable<bool> Session::read_head() {
  reader_.next();
  invited_ = false;
  abort_reason_ = AbortReason::none;
  // One deadline for the whole head, because a client that sends a byte now and then (slowloris)
  // must gain no time by it.
  bool begun = served_ == 0;  // the first head has its time from the accept on
  if (begun) read_deadline_ = Clock::now() + server_.options.header_timeout;
  if (begun && server_.draining) drain();  // it came out of the queue of a server that drains
  while (true) {
    const auto progress = reader_.read_head(in_);
    if (progress == Progress::refused) {
      co_await refuse(reader_.refusal());
      co_return false;
    }
    if (progress == Progress::done) break;
    silent_ = in_.empty() && served_ == 0;
    idle_ = in_.empty() && served_ > 0;
    if (idle_ && server_.draining) co_return false;
    if (idle_) {
      read_deadline_ = Clock::now() + server_.options.idle_timeout;
    } else if (!begun) {
      begun = true;
      read_deadline_ = Clock::now() + server_.options.header_timeout;
    }
    const auto received = co_await read_some(read_bytes);
    if (received == 0) {
      // A client that sent half a head gets an answer. A silent connection closes without one.
      if (read_timed_out_ && !in_.empty()) {
        const Refusal late{408, "the header took longer than this server waits"};
        co_await refuse(late);
      }
      co_return false;
    }
  }
  silent_ = idle_ = false;
  read_deadline_ = Clock::time_point::max();
  co_return true;
}

asio::awaitable<void> Session::answer() {
  const auto& head = reader_.head();
  // A client's own id is taken only where it is harmless, because logs and a field repeat it.
  const auto given_id = head.field("x-request-id");
  const bool own_id = !given_id || !is_request_id(*given_id);
  Exchange exchange{
      server_,
      *this,
      head,
      {own_id ? server_.make_request_id() : std::string(*given_id),
       runtime::Deadline::after(server_.options.request_deadline)}};
  exchange.span = start_span(server_.options.tracer, head);
  const auto started = Clock::now();
  const OnExit answered([this] {
    give_back(held_);
    holder_.reset();
  });
  auto outcome = co_await server_.handler(exchange);
  if (outcome.response) {
    // Before the head is written, because the head says whether the connection closes.
    skip_body();
    try {
      outcome.status = co_await send(exchange, std::move(*outcome.response));
    } catch (const ConnectionLost&) {
      // The request is counted and logged below, although its answer is lost.
      gone_ = true;
    }
  } else if (!reader_.finished()) {
    closing_ = true;  // a stream answered: the rest of the body must not be read as a request
  }
  const std::chrono::duration<double> took = Clock::now() - started;
  server_.metrics.request(exchange.route, head.method, outcome.status, took.count());
  end_span(exchange, outcome.status, own_id);
  log_request(exchange, outcome.status, took.count());
}

// A sample, because rendering a log line costs more than parsing.
void Session::log_request(const Exchange& exchange, int status, double took_s) {
  if (exchange.is_routine && status < 400) return;
  const auto kind = logged_kind_of(status);
  if (!server_.request_log.admits(kind, Clock::now())) return;
  const bool is_ours = status >= 500;
  runtime::log(is_ours ? runtime::LogLevel::warn : runtime::LogLevel::info,
               is_ours ? "http.server_error" : "http.request",
               {{"request_id", exchange.context.id},
                {"method", exchange.head.method},
                {"route", exchange.route},
                {"status", status},
                {"took_ms", took_s * 1e3},
                {"address", peer_address_},
                {"unlogged", server_.request_log.take_unlogged(kind)}});
}

void Session::add_common_fields(const Exchange& exchange, std::vector<OutField>& fields) {
  closing_ = closing_ || server_.draining || !exchange.head.keep_alive ||
             served_ + 1 >= server_.options.requests_per_connection_max;
  fields.push_back({"Date", server_.date()});
  fields.push_back({"X-Request-ID", exchange.context.id});
  // Answers hold what users stored: no cache may keep them, and no browser may run them.
  fields.push_back({"X-Content-Type-Options", "nosniff"});
  fields.push_back({"Cache-Control", "no-store"});
  if (closing_) fields.push_back({"Connection", "close"});
}

asio::awaitable<int> Session::send(const Exchange& exchange, Response response) {
  // A client that does not read keeps its answer in memory until the write timeout. What was done
  // is told all the same, because the client would do it again.
  const auto bytes = response.body.size();
  if (!exchange.is_read) {
    hold_beyond(bytes);
  } else if (bytes > uncounted_bytes_max && !hold(bytes)) {
    response = protocol_problem(503, "too many requests and answers are held in memory",
                                exchange.context.id);
    response.fields.push_back({"Retry-After", "1"});
  }
  const int status = response.status;
  auto fields = std::move(response.fields);
  fields.reserve(fields.size() + exchange.fields.size() + 8);
  fields.insert(fields.end(), exchange.fields.begin(), exchange.fields.end());
  // A 204 carries no Content-Length (RFC 9110 §8.6).
  if (!response.content_type.empty()) {
    fields.push_back({"Content-Type", std::move(response.content_type)});
    fields.push_back({"Content-Length", std::to_string(response.body.size())});
  }
  add_common_fields(exchange, fields);
  const auto head = head_text(status, fields) + "\r\n";
  // HEAD has the fields of GET, its length among them, and no body (RFC 9110 §9.3.2).
  co_await write_both(head, exchange.head.method == "HEAD" ? std::string_view() : response.body);
  co_return status;
}

asio::awaitable<void> Session::refuse(const Refusal& refusal) {
  closing_ = true;
  server_.metrics.framing_refusals.Increment();
  // Nothing that was read can be trusted, so this answers an empty head.
  const RequestHead unread{};
  Exchange exchange{server_, *this, unread, {server_.make_request_id()}};
  if (server_.request_log.admits(LoggedKind::unreadable, Clock::now()))
    runtime::log(runtime::LogLevel::info, "http.request_refused",
                 {{"request_id", exchange.context.id}, {"status", refusal.status},
                  {"cause", refusal.detail}, {"address", peer_address_},
                  {"unlogged", server_.request_log.take_unlogged(LoggedKind::unreadable)}});
  server_.metrics.request(exchange.route, "other", refusal.status, 0);
  co_await send(exchange, protocol_problem(refusal.status, refusal.detail, exchange.context.id));
}

asio::awaitable<void> Session::linger() {
  // Closing with unread input would reset the connection, and the reset may overtake our answer.
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  read_deadline_ = Clock::now() + linger_time;
  read_timed_out_ = false;
  std::size_t dropped = 0;
  // Bounded, because a client may send for ever.
  while (!read_timed_out_ && dropped < linger_bytes_max) {
    in_.clear();
    const auto bytes = co_await read_some(linger_read_bytes);
    if (bytes == 0) break;
    dropped += bytes;
  }
}

asio::awaitable<std::size_t> Session::read_some(std::size_t bytes) {
  const auto before = in_.size();
  in_.resize(before + bytes);
  boost::system::error_code failed;
  const auto received =
      co_await socket_.async_read_some(asio::buffer(in_.data() + before, bytes),
                                       asio::redirect_error(asio::use_awaitable, failed));
  in_.resize(before + received);
  // Work that is aborted in the middle of its body still gets an answer.
  const bool aborted =
      failed == asio::error::operation_aborted && abort_reason_ != AbortReason::none;
  if (failed && !read_timed_out_ && !aborted) gone_ = true;
  co_return received;
}

asio::awaitable<void> Session::write(std::string_view bytes) { return write_both(bytes, {}); }

/// Two buffers, because a joined one would hold a large answer twice.
asio::awaitable<void> Session::write_both(std::string_view head, std::string_view body) {
  if (gone_) throw ConnectionLost("the connection is gone");
  write_deadline_ = Clock::now() + server_.options.write_timeout;
  boost::system::error_code failed;
  // No cancellation slot: a frame cut in the middle would spoil what follows it.
  const std::array parts{asio::buffer(head), asio::buffer(body)};
  co_await asio::async_write(
      socket_, parts,
      asio::bind_cancellation_slot(asio::cancellation_slot(),
                                   asio::redirect_error(asio::use_awaitable, failed)));
  write_deadline_ = Clock::time_point::max();
  if (!failed) co_return;
  gone_ = true;
  throw ConnectionLost(write_timed_out_ ? "the peer stopped reading" : "the peer is gone");
}

asio::awaitable<AbortReason> Session::run_abortable(asio::awaitable<void> work,
                                                    bool cancel_on_disconnect,
                                                    Clock::time_point deadline) {
  runtime::TaskGroup group(server_.executor);
  work_ = &group;
  work_done_ = false;
  work_failure_ = nullptr;
  abort_reason_ = AbortReason::none;
  work_deadline_ = deadline + deadline_grace;
  group.spawn(work_then_end(std::move(work)));
  if (cancel_on_disconnect) group.spawn(watch());
  co_await group.join();
  // From here on tick() and stop() find no work to abort.
  work_ = nullptr;
  work_deadline_ = Clock::time_point::max();
  if (work_done_ && !work_failure_) co_return AbortReason::none;
  // Work that was aborted mostly fails for that, so the reason of the abort counts.
  if (abort_reason_ == AbortReason::none && work_failure_) std::rethrow_exception(work_failure_);
  // Cancelled without abort(): the task of the connection itself was.
  co_return abort_reason_ == AbortReason::none ? AbortReason::shutting_down : abort_reason_;
}

asio::awaitable<void> Session::work_then_end(asio::awaitable<void> work) {
  try {
    co_await std::move(work);
  } catch (...) {
    // Kept from the group, whose join() would rethrow it also where the work was aborted.
    work_failure_ = std::current_exception();
  }
  work_done_ = true;
  // Ends the watch and the keep-alive comments, which would otherwise run on.
  work_->cancel();
}

void Session::spawn_beside_work(asio::awaitable<void> helper) {
  work_->spawn(help(std::move(helper)));
}

asio::awaitable<void> Session::help(asio::awaitable<void> helper) {
  try {
    co_await std::move(helper);
  } catch (const ConnectionLost&) {
    abort(AbortReason::client_gone);
  } catch (const boost::system::system_error&) {
    // Cancelled with the work.
  }
}

asio::awaitable<void> Session::watch() {
  // Only a read sees that the client closed, so this takes in what the client sends ahead. At the
  // bound the watch ends, and the next write notices a client that left.
  while (in_.size() < pipelined_bytes_max) {
    boost::system::error_code failed;
    co_await socket_.async_wait(asio::ip::tcp::socket::wait_read,
                                asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    const auto before = in_.size();
    in_.resize(before + read_bytes);
    const auto received =
        socket_.read_some(asio::buffer(in_.data() + before, read_bytes), failed);
    in_.resize(before + received);
    if (!failed || failed == asio::error::would_block) continue;
    abort(AbortReason::client_gone);
    co_return;
  }
}

void Session::abort(AbortReason reason) {
  if (work_ == nullptr || work_done_ || abort_reason_ != AbortReason::none) return;
  abort_reason_ = reason;
  // Ends a write that is under way too.
  if (reason == AbortReason::client_gone) close();
  work_->cancel();
}

void Session::close() noexcept {
  gone_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Session::tick(Clock::time_point now) {
  if (now >= work_deadline_) abort(AbortReason::deadline);
  if (now >= write_deadline_) {
    write_timed_out_ = true;
    write_deadline_ = Clock::time_point::max();
    close();
  }
  if (now >= read_deadline_) {
    // Cancelled and not closed, because the client may still get an answer.
    read_timed_out_ = true;
    read_deadline_ = Clock::time_point::max();
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
}

void Session::drain() {
  // A connection that has not asked yet may be about to; one that was served waits for nothing.
  if (idle_) read_deadline_ = Clock::time_point::min();
  else if (silent_) read_deadline_ = std::min(read_deadline_, Clock::now() + last_call);
}

void Session::stop() {
  abort(AbortReason::shutting_down);
  // Without work there is a read, which the next tick ends.
  if (work_ == nullptr && read_deadline_ != Clock::time_point::max())
    read_deadline_ = Clock::time_point::min();
}

void Session::kill() {
  abort(AbortReason::shutting_down);
  close();
}

}  // namespace memseal::http
