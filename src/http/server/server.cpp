#include "http/server/server.hpp"

#include "http/server/front_door.hpp"
#include "http/server/session.hpp"

#include "base/on_exit.hpp"
#include "runtime/log.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

#include <sys/socket.h>

#include <array>
#include <optional>
#include <utility>

namespace memseal::http {

namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

// Time from `query.failed` at the drain timeout to the close of connections that are still open.
constexpr auto stop_grace = 2s;
// The process is out of file descriptors; some connections may end meanwhile.
constexpr auto accept_pause = 100ms;

constexpr std::string_view busy_answer =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Retry-After: 1\r\n"
    "Content-Length: 0\r\n"
    "Connection: close\r\n\r\n";

tcp::acceptor listen(const asio::any_io_executor& executor, const Options& options) {
  try {
    const tcp::endpoint endpoint(asio::ip::make_address(options.address), options.port);
    tcp::acceptor acceptor(executor);
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    // One socket a loop: the kernel spreads new connections among those that share a port.
    const int on = options.reuse_port ? 1 : 0;
    ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    acceptor.bind(endpoint);
    acceptor.listen(asio::socket_base::max_listen_connections);
    return acceptor;
  } catch (const boost::system::system_error& failure) {
    throw Refused({Errc::bad_config, "cannot listen on " + options.address + " port " +
                                        std::to_string(options.port) + ": " +
                                        failure.code().message()});
  }
}

}  // namespace

struct Server::Impl {
  Impl(asio::any_io_executor executor, Options options, HttpMetrics& metrics, Handler handler)
      : context(executor, std::move(options), metrics, std::move(handler)),
        acceptor(listen(executor, context.options)),
        port(acceptor.local_endpoint().port()),
        addresses(context.options.connections_per_address) {}

  asio::awaitable<void> run();
  asio::awaitable<void> accept(runtime::TaskGroup& tasks);
  asio::awaitable<void> keep_time();
  /// Of this Server and of all.
  struct Place {
    std::optional<Places<PeerNetwork>::Place> here, anywhere;
  };
  asio::awaitable<void> serve(tcp::socket socket, Place place);
  void take(tcp::socket socket, runtime::TaskGroup& tasks);
  bool has_place(const tcp::socket& socket, Place& place);
  void take_backlog(runtime::TaskGroup& tasks);
  void start_drain();

  ServerContext context;
  tcp::acceptor acceptor;
  const std::uint16_t port;
  // Here too, because the peer chooses by its port which Server it reaches.
  Places<PeerNetwork> addresses;
  std::size_t serving = 0;  // connections taken; some have no session yet
  runtime::Clock::time_point stop_at = runtime::Clock::time_point::max();
};

asio::awaitable<void> Server::Impl::run() {
  runtime::TaskGroup tasks(context.executor);
  tasks.spawn(accept(tasks));
  tasks.spawn(keep_time());
  co_await tasks.join();
}

// Only a failure of this process is logged: a peer aborts a connection that waits in the queue, and
// start_drain() aborts the accept() itself.
asio::awaitable<void> Server::Impl::accept(runtime::TaskGroup& tasks) {
  while (!context.draining) {
    tcp::socket socket(context.executor);
    boost::system::error_code failed;
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, failed));
    if (!failed) {
      take(std::move(socket), tasks);
    } else if (failed != asio::error::operation_aborted &&
               failed != asio::error::connection_aborted) {
      runtime::log(runtime::LogLevel::warn, "http.accept_failed", {{"cause", failed.message()}});
      co_await runtime::pause_for(accept_pause);
    }
  }
  take_backlog(tasks);
  boost::system::error_code ignored;
  acceptor.close(ignored);
}

/// Whether the peer may have another connection. Takes its place, where places are counted.
bool Server::Impl::has_place(const tcp::socket& socket, Place& place) {
  const auto& door = context.options.door;
  if (!door) return true;
  boost::system::error_code failed;
  const auto peer = socket.remote_endpoint(failed);
  if (failed) return true;  // it has left, and its session ends at once
  const auto network = network_of(peer.address());
  if (auto here = addresses.enter(network)) {
    if (auto anywhere = door->addresses.enter(network)) {
      place.here.emplace(std::move(*here));
      place.anywhere.emplace(std::move(*anywhere));
      return true;
    }
  }
  context.metrics.address_refusals.Increment();
  return false;
}

void Server::Impl::take(tcp::socket socket, runtime::TaskGroup& tasks) {
  Place place;
  if (serving < context.options.connections_max && has_place(socket, place)) {
    ++serving;
    tasks.spawn(serve(std::move(socket), std::move(place)));
    return;
  }
  // The answer goes into the empty send buffer without waiting, because a client over the limit
  // gets no coroutine and no timer.
  context.metrics.connections_refused.Increment();
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(busy_answer), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  // Unread input at the close would reset the connection before the answer is read.
  std::array<char, limits::http_header_bytes_max> unread;
  socket.read_some(asio::buffer(unread), ignored);
}

void Server::Impl::take_backlog(runtime::TaskGroup& tasks) {
  // Connections the kernel accepted before we stopped listening still get their answer.
  boost::system::error_code failed;
  // Non-blocking, so that the loop ends when the queue is empty.
  acceptor.non_blocking(true, failed);
  while (!failed) {
    tcp::socket socket(context.executor);
    acceptor.accept(socket, failed);
    if (!failed) take(std::move(socket), tasks);
  }
}

// `place` is given back when the connection has ended.
asio::awaitable<void> Server::Impl::serve(tcp::socket socket, [[maybe_unused]] Place place) {
  const OnExit served([this] { --serving; });
  Session session(std::move(socket), context);
  co_await session.run();
}

/// Ticks the sessions. Once the server drains, aborts and then closes those that do not end.
asio::awaitable<void> Server::Impl::keep_time() {
  // Also when cancelled, because run() waits for every session.
  OnExit kill_all{[this] {
    for (auto* session : context.sessions) session->kill();
  }};
  bool stopped = false;
  // Until no session is left and none can come: one that came from the queue may not have begun.
  while (!context.draining || acceptor.is_open() || serving > 0) {
    co_await runtime::pause_for(context.options.tick);
    const auto now = runtime::Clock::now();
    for (auto* session : context.sessions) session->tick(now);
    if (now < stop_at) continue;
    for (auto* session : context.sessions) {
      if (!stopped) session->stop();
      if (now >= stop_at + stop_grace) session->kill();
    }
    stopped = true;
  }
}

void Server::Impl::start_drain() {
  stop_at = runtime::Clock::now() + context.options.drain_timeout;
  boost::system::error_code ignored;
  // Wakes accept(), which sees `draining`.
  acceptor.cancel(ignored);
  for (auto* session : context.sessions) session->drain();
  runtime::log(runtime::LogLevel::info, "http.drain_started",
               {{"connections", context.sessions.size()}, {"streams", context.streams}});
}

Server::Server(asio::any_io_executor executor, Options options, HttpMetrics& metrics,
               Handler handler)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), metrics,
                                   std::move(handler))) {}

Server::~Server() = default;

std::uint16_t Server::port() const noexcept { return impl_->port; }

asio::awaitable<void> Server::run() { return impl_->run(); }

void Server::begin_drain() {
  if (impl_->context.draining.exchange(true)) return;
  asio::post(impl_->context.executor, [weak = std::weak_ptr(impl_)] {
    if (const auto impl = weak.lock()) impl->start_drain();
  });
}

}  // namespace memseal::http
