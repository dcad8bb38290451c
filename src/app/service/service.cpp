#include "app/service/service.hpp"

#include "app/service/exit_code.hpp"
#include "app/service/stages.hpp"

#include "base/on_exit.hpp"
#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>

namespace memseal::app {

namespace asio = boost::asio;
using runtime::log;
using runtime::LogLevel;

struct Service::Impl : ServiceParts {
  using ServiceParts::ServiceParts;

  asio::awaitable<void> watch_database();
  asio::awaitable<void> stop_on_signal();
  asio::awaitable<void> serve_on(std::size_t loop);
  asio::awaitable<void> drain_listeners();
  asio::awaitable<void> ingest_all();
  asio::awaitable<void> publish_all(runtime::TaskGroup& foreground);
  asio::awaitable<void> run_main(std::function<void()> on_ready);

  std::size_t serving = 0;                ///< listeners that still serve
};

// Asks the database now and then, so that /ready needs no I/O.
asio::awaitable<void> Service::Impl::watch_database() {
  const auto facts = deployment_fingerprint(*keyring, *embedder);
  for (;;) {
    co_await runtime::pause_for(std::chrono::seconds(2));
    bool sound = false;
    try {
      const runtime::RequestContext context{"readiness",
                                            runtime::Deadline::after(std::chrono::seconds(2))};
      sound = (co_await postgres::check_schema(*pool, context, facts)).has_value();
    } catch (const Failure&) {
    }
    if (sound != database_seen.exchange(sound))
      log(sound ? LogLevel::info : LogLevel::error,
          sound ? "service.database_available" : "service.database_unavailable");
  }
}

asio::awaitable<void> Service::Impl::stop_on_signal() {
  {
    asio::signal_set signals(co_await asio::this_coro::executor, SIGTERM, SIGINT);
    const int number = co_await signals.async_wait(asio::use_awaitable);
    log(LogLevel::info, "service.draining", {{"signal", number}});
  }  // From here on a second signal has its default effect: the process ends at once.
  for (auto& each : listeners) each->server->begin_drain();
  if (source) source->request_stop();
}

// Runs a listener on its own loop and waits for it on this one.
asio::awaitable<void> Service::Impl::serve_on(std::size_t loop) {
  ++serving;
  OnExit ended{[this] { --serving; }};
  auto& server = *listeners[loop]->server;
  if (loop == 0) {
    co_await server.run();
    co_return;
  }
  co_await asio::co_spawn(loops[loop].get_executor(), server.run(), asio::use_awaitable);
}

// Lets the requests that are being answered end, and accepts no others.
asio::awaitable<void> Service::Impl::drain_listeners() {
  for (auto& each : listeners) each->server->begin_drain();
  while (serving > 0) co_await runtime::pause_for(std::chrono::milliseconds(50));
}

asio::awaitable<void> Service::Impl::ingest_all() {
  runtime::TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(source->run());
  group.spawn(worker->run());
  std::exception_ptr failure;
  try {
    co_await group.join();
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  co_await drain_listeners();
  std::rethrow_exception(failure);
}

// A producer that fails ends the process. Without one no client can index and ingest can write no
// dead letter, so the process would live on and do nothing.
asio::awaitable<void> Service::Impl::publish_all(runtime::TaskGroup& foreground) {
  std::exception_ptr failure;
  try {
    co_await sink->run();
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  co_await drain_listeners();
  foreground.cancel();
  std::rethrow_exception(failure);
}

asio::awaitable<void> Service::Impl::run_main(std::function<void()> on_ready) {
  const auto executor = co_await asio::this_coro::executor;
  runtime::TaskGroup foreground(executor), background(executor);
  background.spawn(publish_all(foreground));
  background.spawn(watch_database());
  if (admin) background.spawn(admin->run());

  for (std::size_t i = 0; i < listeners.size(); ++i) foreground.spawn(serve_on(i));
  if (source) foreground.spawn(ingest_all());
  foreground.spawn(stop_on_signal());
  if (on_ready) on_ready();

  std::exception_ptr failure;
  try {
    co_await foreground.join();
  } catch (...) {
    failure = std::current_exception();
  }
  sink->request_stop();  // Last: answers and dead letters were published through it until now.
  background.cancel();
  try {
    co_await background.join();
  } catch (...) {
    if (!failure) failure = std::current_exception();
  }
  // Always: an open link to Redis would keep the loops, and so the process, alive.
  for (auto& each : listeners) each->limiter->close();
  if (failure) std::rethrow_exception(failure);
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

std::uint16_t Service::port() const noexcept { return impl_->listeners.front()->server->port(); }

std::uint16_t Service::admin_port() const noexcept {
  return impl_->admin ? impl_->admin->port() : 0;
}

Result<std::unique_ptr<Service>> Service::make(const Config& config) {
  auto impl = std::make_unique<Impl>(config);
  try {
    if (auto done = impl->load_keys_and_models(); !done) return done.error();
    if (auto done = impl->connect(); !done) return done.error();
    if (auto done = impl->listen(); !done) return done.error();
  } catch (const Failure& failed) {
    return failed.error();
  }
  return std::unique_ptr<Service>(new Service(std::move(impl)));
}

int Service::run(const std::function<void()>& on_ready) {
  std::exception_ptr failure;
  asio::co_spawn(impl_->loops[0], impl_->run_main(on_ready),
                 [&failure](std::exception_ptr thrown) { failure = thrown; });
  log(LogLevel::info, "service.started",
      {{"port", port()},
       {"admin_port", admin_port()},
       {"loops", impl_->loops.size()},
       {"embedder", impl_->embedder.description()},
       {"reranker", impl_->reranker ? describe(impl_->reranker->info(), impl_->reranker->why_cpu())
                                    : "none"}});
  impl_->loops.run();
  if (!failure) {
    log(LogLevel::info, "service.stopped");
    return exit_ok;
  }
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& broken) {
    log(LogLevel::error, "service.broken", {{"cause", broken.what()}});
  }
  return exit_failed;
}

}  // namespace memseal::app
