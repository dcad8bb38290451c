#pragma once
// What the service says to the program that supervises it: systemd, in a unit of Type=notify.
#include <string>
#include <string_view>
#include <utility>

namespace memseal::app {

/// Sends states to the socket that $NOTIFY_SOCKET names, as sd_notify(3) describes. Without that
/// variable nothing is sent. A state that cannot be sent is logged, and the service goes on.
/// Thread: any.
class Supervisor {
 public:
  /// `socket`: a path, or "@" and an abstract name; empty: nothing supervises.
  explicit Supervisor(std::string socket) : socket_(std::move(socket)) {}
  /// By the environment of this process.
  static Supervisor of_process();

  void ready() const;      ///< requests are answered from now on; also ends reloading()
  void reloading() const;  ///< files are read again; ready() must follow
  void stopping() const;   ///< the service drains, and ends by itself

 private:
  void send(std::string_view state) const;

  const std::string socket_;
};

}  // namespace memseal::app
