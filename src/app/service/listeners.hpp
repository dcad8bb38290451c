#pragma once
// The last stage: the two listeners of the service, and what they say about its health.
#include "app/config/listen_address.hpp"
#include "app/service/stages.hpp"
#include "http/routes/api.hpp"
#include "http/server/front_door.hpp"
#include "http/server/http_metrics.hpp"
#include "http/server/server.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::app {

/// One loop's listener with its own link to the rate limits, so that nothing needs a mutex.
struct Listener {
  Listener(asio::any_io_executor executor, http::Options options,
           std::unique_ptr<redis::ManagedLimiter> limits, const Keys& keys, Stores& stores,
           Answering& answering, UseCases& cases,
           http::HttpMetrics& metrics, http::RouteDeps deps);

  const std::unique_ptr<redis::ManagedLimiter> limiter;  ///< never null
  http::ApiDeps api;
  http::Server server;
};

/// Binds every address at construction. Nothing is served before the servers run.
class Listeners {
 public:
  Listeners(Process& process, const Keys& keys, const Models& models, Stores& stores,
            UseCases& cases);

  std::deque<Listener>& api() noexcept { return api_; }  ///< one a loop
  http::Server* admin() noexcept { return admin_ ? &*admin_ : nullptr; }
  std::uint16_t port() const noexcept { return api_.front().server.port(); }
  std::uint16_t admin_port() const noexcept { return admin_ ? admin_->port() : 0; }

  /// No listener takes a new connection from now on.
  void begin_drain();

 private:
  void listen(const Keys& keys, const ListenAddress& address);
  http::RouteDeps route_deps();
  std::vector<http::Check> readiness() const;

  Process& process_;
  const Models& models_;
  Stores& stores_;
  UseCases& cases_;
  http::HttpMetrics metrics_;
  const std::shared_ptr<http::FrontDoor> door_;  // of the API; never null
  std::deque<Listener> api_;
  std::optional<http::Server> admin_;  // empty: http.admin_listen is off
};

}  // namespace memseal::app
