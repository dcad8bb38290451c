// How a connection reads the body of a request: in parts, within a limit and a time; and what it
// holds in memory.
#include "http/server/session.hpp"

#include "base/on_exit.hpp"

#include <utility>

namespace memseal::http {

namespace {

constexpr std::size_t body_read_bytes = 16'384;

}  // namespace

/// Takes `bytes` of what the process may hold, until the request is answered.
bool Session::hold(std::size_t bytes) {
  const auto& door = server_.options.door;
  if (!door) return true;
  if (!door->bytes.take(holder_, bytes)) {
    server_.metrics.bytes_refusals.Increment();
    return false;
  }
  held_ += bytes;
  return true;
}

/// Counts `bytes` that are there already; few count for nothing.
void Session::hold_beyond(std::size_t bytes) {
  const auto& door = server_.options.door;
  if (!door || bytes <= uncounted_bytes_max) return;
  door->bytes.add(holder_, bytes);
  held_ += bytes;
}

void Session::give_back(std::size_t bytes) {
  if (bytes == 0) return;
  server_.options.door->bytes.give(holder_, bytes);
  held_ -= bytes;
}

asio::awaitable<void> Session::write_held(std::string_view bytes) {
  const auto before = held_;
  hold_beyond(bytes.size());
  const OnExit written([this, counted = held_ - before] { give_back(counted); });
  co_await write(bytes);
}

/// Parses what was received. True: the body is whole.
bool Session::parse_body(std::size_t bytes_max) {
  const auto progress = reader_.read_body(in_, bytes_max);
  if (progress != Progress::refused) return progress == Progress::done;
  closing_ = true;
  throw BodyRefused(reader_.refusal());
}

/// Returns how many bytes came, never 0.
asio::awaitable<std::size_t> Session::receive_body() {
  const bool waits = reader_.head().expects_continue && reader_.head().minor_version == 1;
  if (!std::exchange(invited_, true) && waits) co_await write("HTTP/1.1 100 Continue\r\n\r\n");
  const auto received = co_await read_some(body_read_bytes);
  if (received != 0) co_return received;
  closing_ = true;  // because the rest of the body must not be read as a request
  if (read_timed_out_) throw BodyRefused({408, "the body took longer than this server waits"});
  if (gone_) throw ConnectionLost("closed inside a body");
  // run_abortable() knows the reason and returns it.
  throw BodyRefused({503, "the request was aborted while its body was read"});
}

asio::awaitable<std::string> Session::read_body(std::size_t bytes_max) {
  if (!reader_.head().has_body) co_return std::string();
  read_deadline_ = Clock::now() + server_.options.body_timeout;
  OnExit done{[this] { read_deadline_ = Clock::time_point::max(); }};
  std::size_t received = 0, counted = 0;
  while (!parse_body(bytes_max)) {
    received += co_await receive_body();
    if (received <= uncounted_bytes_max) continue;
    if (hold(received - counted)) {
      counted = received;
      continue;
    }
    closing_ = true;  // because the rest of the body must not be read as a request
    throw BodyRefused({503, "too many requests and answers are held in memory"});
  }
  co_return reader_.take_body();
}

asio::awaitable<std::string> Session::read_body_part(std::size_t bytes_max) {
  if (!reader_.head().has_body) co_return std::string();
  read_deadline_ = Clock::now() + server_.options.body_timeout;
  OnExit done{[this] { read_deadline_ = Clock::time_point::max(); }};
  while (true) {
    const bool whole = parse_body(bytes_max);
    auto part = reader_.take_body();
    if (whole || !part.empty()) co_return part;
    co_await receive_body();  // so far there was at most the header of a chunk
  }
}

void Session::skip_body() {
  // Drops an unread body that came whole with its head. Otherwise the connection closes, because
  // the rest of the body must not be read as a request.
  if (reader_.finished() || closing_) return;
  if (reader_.read_body(in_, server_.options.body_bytes_max) != Progress::done) closing_ = true;
}

}  // namespace memseal::http
