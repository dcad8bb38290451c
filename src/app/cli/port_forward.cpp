#include "app/cli/port_forward.hpp"

#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

namespace memseal::app {

using asio::ip::tcp;

namespace {

void close_both(tcp::socket& one, tcp::socket& other) {
  boost::system::error_code ignored;
  one.close(ignored);
  other.close(ignored);
}

/// Passes bytes on until either side ends, then ends both.
asio::awaitable<void> pump(tcp::socket& from, tcp::socket& to) {
  std::array<char, 65'536> bytes;
  boost::system::error_code failure;
  while (!failure) {
    const auto got = co_await from.async_read_some(
        asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, failure));
    if (failure) break;
    co_await asio::async_write(to, asio::buffer(bytes.data(), got),
                               asio::redirect_error(asio::use_awaitable, failure));
  }
  close_both(from, to);
}

asio::awaitable<void> pass_on(tcp::socket client, std::uint16_t port) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::socket broker(executor);
  const tcp::endpoint place(asio::ip::address_v4::loopback(), port);
  boost::system::error_code failure;
  co_await broker.async_connect(place, asio::redirect_error(asio::use_awaitable, failure));
  // The broker ends before this does. A client that comes meanwhile sees its connection close, and
  // tries again.
  if (failure) co_return;
  runtime::TaskGroup both(executor);
  both.spawn(pump(client, broker));
  both.spawn(pump(broker, client));
  co_await both.join();
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor, runtime::TaskGroup& connections,
                                 std::uint16_t to) {
  for (;;) {
    boost::system::error_code failure;
    auto client = co_await acceptor.async_accept(
        asio::redirect_error(asio::use_awaitable, failure));
    if (!failure)
      connections.spawn(pass_on(std::move(client), to));
    else
      co_await runtime::pause_for(std::chrono::milliseconds(100));  // Or out of descriptors.
  }
}

}  // namespace

Result<PortForward> PortForward::bind(std::uint16_t port) {
  PortForward forward(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  const int listener = forward.listener_.get();
  const int on = 1;
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (listener >= 0 &&
      // Otherwise a second `memseal dev` within a minute finds the port in TIME_WAIT.
      ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      ::bind(listener, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0 &&
      ::listen(listener, SOMAXCONN) == 0)
    return forward;
  return Error{Errc::bad_config,
               "--kafka-port " + std::to_string(port) + " cannot be used: " +
                   std::generic_category().message(errno) + "; give another port",
               "--kafka-port"};
}

asio::awaitable<void> PortForward::run(std::uint16_t to) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, tcp::v4(), listener_.release());
  runtime::TaskGroup tasks(executor);
  tasks.spawn(accept_all(acceptor, tasks, to));
  co_await tasks.join();
}

}  // namespace memseal::app
