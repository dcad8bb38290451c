#pragma once
#include "app/config/config.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace memseal::app {

/// The running process: owns every part in dependency order, starts and drains them.
class Service {
 public:
  /// Loads keys and models, checks the database, binds the listeners. Everything that is wrong
  /// with the set-up is an Error here, before anything is served. Blocks for a second or so.
  static Result<std::unique_ptr<Service>> make(const Config& config);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Port of the public API (useful when the configuration asked for port 0).
  std::uint16_t port() const noexcept;
  std::uint16_t admin_port() const noexcept;  ///< 0 when there is none

  /// Serves until SIGTERM or SIGINT, then drains: readiness off, streams finish, offsets are
  /// committed. A second signal ends the process at once. Returns an exit code. `on_ready` is
  /// called once when everything has started.
  int run(const std::function<void()>& on_ready = {});

 private:
  struct Impl;
  explicit Service(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::app
