#include "app/service/supervisor.hpp"

#include "app/config/config.hpp"
#include "base/fd.hpp"
#include "runtime/log.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace memseal::app {

namespace {

/// 0, or the error number of what failed.
int send_datagram(const std::string& name, std::string_view text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, name.data(), name.size());
  // An abstract name begins with a zero byte, which the variable spells "@".
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const Fd handle(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!handle) return errno;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const auto sent = ::sendto(handle.get(), text.data(), text.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address), size);
  return sent < 0 ? errno : 0;
}

}  // namespace

Supervisor Supervisor::of_process() {
  for (auto& [name, value] : process_environment())
    if (name == "NOTIFY_SOCKET") return Supervisor(value);
  return Supervisor("");
}

void Supervisor::ready() const { send("READY=1"); }

void Supervisor::stopping() const { send("STOPPING=1"); }

void Supervisor::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto now_us = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
  // The time tells this reload from an earlier one.
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now_us));
}

void Supervisor::send(std::string_view state) const {
  if (socket_.empty()) return;
  if (const int error = send_datagram(socket_, state); error != 0)
    runtime::log(runtime::LogLevel::warn, "service.notify_failed",
                 {{"state", state.substr(0, state.find('\n'))}, {"cause", std::strerror(error)}});
}

}  // namespace memseal::app
