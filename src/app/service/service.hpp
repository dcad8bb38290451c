#pragma once
#include "app/config/config.hpp"
#include "app/service/listeners.hpp"
#include "app/service/stages.hpp"
#include "app/service/supervisor.hpp"
#include "base/result.hpp"
#include "runtime/task_group.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace memseal::app {

/// The running process: owns every stage, starts and drains them.
class Service {
 public:
  /// Loads keys and models, checks the database, binds the listeners. Everything that is wrong
  /// with the set-up is an Error here, before anything is served. Blocks for a second or so.
  static Result<std::unique_ptr<Service>> make(const Config& config, Extras extras = {});
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Port of the public API (useful when the configuration asked for port 0).
  std::uint16_t port() const noexcept { return listeners_.port(); }
  std::uint16_t admin_port() const noexcept { return listeners_.admin_port(); }  ///< 0: none

  /// Serves until SIGTERM or SIGINT, then drains: readiness off, streams finish, offsets are
  /// committed. A second signal ends the process at once. Returns an exit code. `on_ready` is
  /// called once when everything has started. What supervises the process learns of the start, of
  /// a reload by SIGHUP and of the drain.
  int run(const std::function<void()>& on_ready = {});

 private:
  Service(const Config& config, Extras extras);

  asio::awaitable<void> watch_database();
  asio::awaitable<void> watch_isolation();
  asio::awaitable<void> note_producers();
  asio::awaitable<void> watch_backups();
  asio::awaitable<void> sweep_files();
  asio::awaitable<void> finish_erasures();
  asio::awaitable<void> stop_on_signal(boost::asio::signal_set& signals);
  asio::awaitable<void> serve_on(std::size_t loop);
  asio::awaitable<void> drain_listeners();
  asio::awaitable<void> run_worker(bool& working);
  asio::awaitable<void> run_source(runtime::TaskGroup& group, const bool& working);
  asio::awaitable<void> run_ingest();
  asio::awaitable<void> run_sink(runtime::TaskGroup& foreground);
  asio::awaitable<void> watch_key_files();
  void refresh_key_files(bool always);
  asio::awaitable<void> reload_on_signal();
  asio::awaitable<void> run_all(std::function<void()> on_ready);

  Process process_;
  Keys keys_;
  Models models_;
  Stores stores_;
  UseCases cases_;
  Listeners listeners_;
  const Supervisor supervisor_ = Supervisor::of_process();
  std::size_t serving_ = 0;  // listeners that still serve
};

}  // namespace memseal::app
