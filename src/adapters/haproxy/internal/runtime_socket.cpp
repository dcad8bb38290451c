#include "adapters/haproxy/internal/runtime_socket.hpp"

#include "base/fd.hpp"
#include "base/on_exit.hpp"
#include "pure/codec/url.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <system_error>

namespace memseal::haproxy {

namespace {

using Clock = std::chrono::steady_clock;

/// A page of statistics of a large proxy has a few hundred kilobytes.
constexpr std::size_t answer_bytes_max = std::size_t{8} << 20;

[[noreturn]] void fail(const RuntimeAddress& address, const std::string& why) {
  throw Outage({Errc::unavailable, "HAProxy's runtime API at " + address.text() + ": " + why});
}

[[noreturn]] void fail_with(const RuntimeAddress& address, int cause) {
  fail(address, std::generic_category().message(cause));
}

/// A non-blocking socket, and one time by which everything has to be done.
class Socket {
 public:
  Socket(const RuntimeAddress& address, int family)
      : address_(address),
        handle_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    if (!handle_) fail_with(address_, errno);
  }

  void connect(const sockaddr* to, socklen_t size) {
    if (::connect(handle_.get(), to, size) == 0) return;
    // After EINTR too the connection goes on in the background, and poll() tells its end.
    if (errno != EINPROGRESS && errno != EINTR) fail_with(address_, errno);
    wait(POLLOUT);
    int cause = 0;
    socklen_t length = sizeof cause;
    ::getsockopt(handle_.get(), SOL_SOCKET, SO_ERROR, &cause, &length);
    if (cause != 0) fail_with(address_, cause);
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(handle_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0)
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      else
        go_on(POLLOUT);
    }
  }
  std::string read_to_end() {
    std::string answer;
    char bytes[16'384];
    for (;;) {
      const auto got = ::recv(handle_.get(), bytes, sizeof bytes, 0);
      if (got == 0) return answer;
      if (got < 0)
        go_on(POLLIN);
      else
        answer.append(bytes, static_cast<std::size_t>(got));
      if (answer.size() > answer_bytes_max) fail(address_, "the answer does not end");
    }
  }

 private:
  void go_on(short event) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) fail_with(address_, errno);
    wait(event);
  }
  void wait(short event) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until_ - Clock::now());
    pollfd waits{handle_.get(), event, 0};
    const int ready = left.count() > 0 ? ::poll(&waits, 1, static_cast<int>(left.count())) : 0;
    if (ready == 0) fail(address_, "no answer within two seconds");
    if (ready < 0 && errno != EINTR) fail_with(address_, errno);
  }

  const RuntimeAddress& address_;
  const Fd handle_;
  // One time for the whole conversation: a proxy that sends a byte now and then must not hold a
  // look up.
  const Clock::time_point until_ = Clock::now() + std::chrono::seconds(2);
};

std::string converse(Socket& socket, std::string_view commands) {
  socket.send(commands);
  return socket.read_to_end();
}

std::string ask_unix(const RuntimeAddress& address, std::string_view commands) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy(address.path.begin(), address.path.end(), to.sun_path);
  Socket socket(address, AF_UNIX);
  socket.connect(reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return converse(socket, commands);
}

std::string ask_tcp(const RuntimeAddress& address, std::string_view commands) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int unknown = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &wanted, &found);
  if (unknown != 0) fail(address, ::gai_strerror(unknown));
  const OnExit free_it([&] { ::freeaddrinfo(found); });
  Socket socket(address, found->ai_family);
  socket.connect(found->ai_addr, found->ai_addrlen);
  return converse(socket, commands);
}

}  // namespace

Result<RuntimeAddress> RuntimeAddress::parse(std::string_view text) {
  const auto refuse = [&](const std::string& why) {
    return Error{Errc::bad_config, "--proxy " + why, "--proxy"};
  };
  RuntimeAddress address;
  if (text.starts_with("unix:")) text.remove_prefix(5);
  if (text.starts_with('/')) {
    address.path = text;
    if (address.path.size() >= sizeof(sockaddr_un{}.sun_path))
      return refuse("is longer than the path of a Unix socket can be (107 bytes)");
    return address;
  }
  const auto place = codec::split_host_port(text);
  if (!place || place->host.empty() || !place->port || !codec::parse_port(*place->port))
    return refuse("must be the path of a Unix socket or host:port of HAProxy's runtime API");
  address.host = place->host;
  address.port = *place->port;
  return address;
}

std::string ask_runtime(const RuntimeAddress& address, std::string_view commands) {
  const std::string line = std::string(commands) + "\n";
  return address.path.empty() ? ask_tcp(address, line) : ask_unix(address, line);
}

}  // namespace memseal::haproxy
