#include "app/service/service.hpp"

#include "adapters/postgres/backup.hpp"
#include "adapters/postgres/catalog.hpp"
#include "app/service/exit_code.hpp"
#include "base/on_exit.hpp"
#include "runtime/condition.hpp"
#include "runtime/log.hpp"
#include "runtime/task_group.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

namespace memseal::app {

using runtime::log;
using runtime::LogLevel;

namespace {

/// How soon the catalog is looked at again where a look failed or found something.
constexpr std::chrono::seconds isolation_retry{5};
constexpr std::chrono::hours sweep_every{1};
/// How often the audit log learns what producers wrote: often enough to say when, and a handful of
/// rows an hour for each producer.
constexpr std::chrono::minutes admissions_every{15};
/// An erasure of which nothing was heard for so long is another process's to finish. Longer than
/// one transaction of it may take.
constexpr std::chrono::seconds erasure_silence{120}, erasures_every{60};

}  // namespace

Service::Service(const Config& config, Extras extras)
    : process_(config, std::move(extras)),
      keys_(process_),
      models_(process_),
      stores_(process_, keys_, models_),
      cases_(process_, keys_, models_, stores_),
      listeners_(process_, keys_, models_, stores_, cases_) {}

Result<std::unique_ptr<Service>> Service::make(const Config& config, Extras extras) {
  try {
    return std::unique_ptr<Service>(new Service(config, std::move(extras)));
  } catch (const Failure& failed) {
    return failed.error();
  }
}

// Asks the database now and then, so that GET /ready needs no I/O.
asio::awaitable<void> Service::watch_database() {
  for (;;) {
    co_await runtime::pause_for(std::chrono::seconds(2));
    auto state = DatabaseState::unavailable;
    try {
      const runtime::RequestContext context{"readiness",
                                            runtime::Deadline::after(std::chrono::seconds(2))};
      auto& pool = stores_.readiness_pool;
      auto ours = stores_.fingerprint;
      const auto keyring = keys_.keyring.latest();
      ours.kek_checks = keyring->kek_checks();
      ours.kek_current = keyring->kek_epoch();
      const auto fits = co_await postgres::check_schema(pool, context, std::move(ours));
      if (fits) {
        const auto takes_writes = co_await postgres::check_writable(pool, context);
        state = takes_writes ? DatabaseState::sound : DatabaseState::read_only;
      }
    } catch (const Failure&) {
      // Nothing is known of the database, so it is unavailable.
    }
    if (state == stores_.database_seen.exchange(state)) continue;
    log(state == DatabaseState::sound ? LogLevel::info : LogLevel::error,
        state == DatabaseState::sound       ? "service.database_available"
        : state == DatabaseState::read_only ? "service.database_read_only"
                                            : "service.database_unavailable");
  }
}

// Looks whether somebody changed what keeps tenants apart. The service was refused at start if so.
asio::awaitable<void> Service::watch_isolation() {
  const std::chrono::seconds every(process_.config.postgres.verify_every_s);
  auto pause = every;
  for (;;) {
    co_await runtime::pause_for(pause);
    pause = std::min(every, isolation_retry);
    std::string seen;
    std::size_t count = 1;
    try {
      const runtime::RequestContext context{"isolation",
                                            runtime::Deadline::after(std::chrono::seconds(10))};
      const auto findings = co_await postgres::lint_as_service(stores_.readiness_pool, context);
      count = findings.size();
      seen = postgres::describe(findings);
    } catch (const Failure& failed) {
      // No session is opened for a role that lost what binds it, and that is a finding. Otherwise
      // the database is unavailable, and nothing is known that was not known before.
      if (failed.error().code != Errc::not_isolated) continue;
      seen = failed.error().message;
    }
    pause = seen.empty() ? every : pause;
    stores_.metrics.isolation_findings.Set(static_cast<double>(count));
    stores_.metrics.isolation_checked.Set(static_cast<double>(runtime::unix_ms()) / 1'000);
    if (!stores_.isolation_seen.see(seen)) continue;
    if (seen.empty())
      log(LogLevel::info, "service.isolation_restored");
    else
      log(LogLevel::error, "service.isolation_broken", {{"cause", seen}});
  }
}

// Looks at the files themselves, so that a key which was revoked or retired stops in every process
// without a signal.
asio::awaitable<void> Service::watch_key_files() {
  for (;;) {
    co_await runtime::pause_for(std::chrono::seconds(1));
    refresh_key_files(false);
  }
}

void Service::refresh_key_files(bool always) {
  keys_.keyring.refresh(always);
  if (keys_.producers_file) keys_.producers_file->refresh(always);
}

asio::awaitable<void> Service::reload_on_signal() {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGHUP);
  for (;;) {
    co_await signals.async_wait(asio::use_awaitable);
    supervisor_.reloading();
    refresh_key_files(true);
    supervisor_.ready();
  }
}

asio::awaitable<void> Service::note_producers() {
  for (;;) {
    co_await runtime::pause_for(admissions_every);
    note_admissions(*keys_.gate, cases_.auditor);
  }
}

// Tells the age of the newest backup, because nobody looks at a backup until it is needed.
asio::awaitable<void> Service::watch_backups() {
  for (;;) {
    try {
      const runtime::RequestContext context{"backups",
                                            runtime::Deadline::after(std::chrono::seconds(10))};
      const auto taken_ms = co_await postgres::newest_backup(stores_.readiness_pool, context);
      if (taken_ms) stores_.metrics.backup_taken.Set(static_cast<double>(*taken_ms) / 1'000);
    } catch (const Failure&) {
      // The database is unavailable, and what was known stays.
    }
    co_await runtime::pause_for(std::chrono::seconds(process_.config.postgres.verify_every_s));
  }
}

// Removes what uploads left behind whose process ended, at the start and each hour.
asio::awaitable<void> Service::sweep_files() {
  for (;;) {
    try {
      const runtime::RequestContext context{"sweep"};
      const auto swept = co_await knowledge::sweep(cases_.knowledge->deps, keys_.tenants, context,
                                                   runtime::unix_ms());
      if (swept.unfinished + swept.orphans + swept.failures > 0)
        log(LogLevel::info, "service.files_swept",
            {{"unfinished", swept.unfinished},
             {"orphans", swept.orphans},
             {"failures", swept.failures}});
    } catch (const Failure& failed) {
      log(LogLevel::warn, "service.sweep_failed", {{"cause", failed.error().message}});
    }
    co_await runtime::pause_for(sweep_every);
  }
}

// Finishes what a process left when it died in the middle of an erasure, at the start and each
// minute.
asio::awaitable<void> Service::finish_erasures() {
  const person::StepContext step = [] {
    return runtime::RequestContext{"erasures", runtime::Deadline::after(std::chrono::seconds(30))};
  };
  for (;;) {
    try {
      const auto finished = co_await person::finish_erasures(cases_.person, step, keys_.tenants,
                                                             erasure_silence);
      if (finished > 0) log(LogLevel::info, "service.erasures_finished", {{"count", finished}});
    } catch (const Failure& failed) {
      log(LogLevel::warn, "service.erasures_unseen", {{"cause", failed.error().message}});
    }
    co_await runtime::pause_for(erasures_every);
  }
}

asio::awaitable<void> Service::stop_on_signal(asio::signal_set& signals) {
  const int number = co_await signals.async_wait(asio::use_awaitable);
  log(LogLevel::info, "service.draining", {{"signal", number}});
  supervisor_.stopping();
  // From here on a second signal has its default effect: the process ends at once.
  signals.clear();
  listeners_.begin_drain();
  if (cases_.ingest) cases_.ingest->source->request_stop();
}

// Runs a listener on its own loop and waits for it on this one.
asio::awaitable<void> Service::serve_on(std::size_t loop) {
  // Counted on loop 0, on which this coroutine runs whatever loop serves.
  ++serving_;
  OnExit ended{[this] { --serving_; }};
  auto& server = listeners_.api()[loop].server;
  if (loop == 0) {
    co_await server.run();
    co_return;
  }
  co_await asio::co_spawn(process_.loops[loop].get_executor(), server.run(), asio::use_awaitable);
}

// Lets the requests that are being answered end, and accepts no others.
asio::awaitable<void> Service::drain_listeners() {
  listeners_.begin_drain();
  while (serving_ > 0) co_await runtime::pause_for(std::chrono::milliseconds(50));
}

asio::awaitable<void> Service::run_worker(bool& working) {
  const OnExit ended{[&working] { working = false; }};
  co_await cases_.ingest->worker.run();
}

// The source ends when it was asked to stop and has waited for the batch in hand. A worker that
// still holds one waits for a dependency or for the brake, which may take for ever: it is
// cancelled, and Kafka delivers the batch again.
asio::awaitable<void> Service::run_source(runtime::TaskGroup& group, const bool& working) {
  co_await cases_.ingest->source->run();
  const auto deadline = runtime::Clock::now() + std::chrono::seconds(1);
  while (working && runtime::Clock::now() < deadline)
    co_await runtime::pause_for(std::chrono::milliseconds(20));
  if (working) log(LogLevel::warn, "service.ingest_cancelled");
  group.cancel();
}

asio::awaitable<void> Service::run_ingest() {
  bool working = true;
  runtime::TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(run_worker(working));
  group.spawn(run_source(group, working));
  std::exception_ptr failure;
  try {
    co_await group.join();
  } catch (...) {
    failure = std::current_exception();
  }
  // The worker gave up, or the Kafka client can never consume again. Requests in flight end first.
  // Then the failure ends the process, and the exit code tells whoever supervises it.
  if (!failure) co_return;
  co_await drain_listeners();
  std::rethrow_exception(failure);
}

// A producer that fails ends the process. Without one no client can index and ingest can write no
// dead letter, so the process would live on and do nothing.
asio::awaitable<void> Service::run_sink(runtime::TaskGroup& foreground) {
  std::exception_ptr failure;
  try {
    co_await stores_.sink->run();
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  co_await drain_listeners();
  // Cancelled, because ingest would wait for ever for a producer that confirms nothing.
  foreground.cancel();
  std::rethrow_exception(failure);
}

asio::awaitable<void> Service::run_all(std::function<void()> on_ready) {
  const auto executor = co_await asio::this_coro::executor;
  // The foreground decides when the process ends: it does when all listeners, ingest and the wait
  // for a signal have ended. The background serves the foreground and is stopped after it.
  runtime::TaskGroup foreground(executor), background(executor);
  background.spawn(run_sink(foreground));
  background.spawn(watch_database());
  background.spawn(watch_isolation());
  background.spawn(watch_key_files());
  background.spawn(reload_on_signal());
  background.spawn(watch_backups());
  background.spawn(cases_.guard.run());
  background.spawn(cases_.auditor.run());
  background.spawn(finish_erasures());
  if (keys_.gate) background.spawn(note_producers());
  if (cases_.knowledge) background.spawn(sweep_files());
  // In the background, so that metrics can be read until the end of the drain.
  if (auto* admin = listeners_.admin()) background.spawn(admin->run());
  if (process_.extras.beside) background.spawn(process_.extras.beside());

  for (std::size_t loop = 0; loop < process_.loops.size(); ++loop) foreground.spawn(serve_on(loop));
  if (cases_.ingest) foreground.spawn(run_ingest());
  // Caught before on_ready(), because a signal that follows at once would kill the process.
  asio::signal_set signals(executor, SIGTERM, SIGINT);
  foreground.spawn(stop_on_signal(signals));
  if (on_ready) on_ready();
  supervisor_.ready();

  std::exception_ptr failure;
  try {
    co_await foreground.join();
  } catch (...) {
    failure = std::current_exception();
  }
  // The sink stops last, because answers and dead letters were published through it until now.
  stores_.sink->request_stop();
  // Before the background ends, whose records of orders come until then.
  const runtime::RequestContext last{"audit", runtime::Deadline::after(std::chrono::seconds(3))};
  if (keys_.gate) note_admissions(*keys_.gate, cases_.auditor);
  co_await cases_.auditor.drain(last);
  background.cancel();
  try {
    co_await background.join();
  } catch (...) {
    if (!failure) failure = std::current_exception();
  }
  // Always, because an open link to Redis would keep the loops, and so the process, alive.
  for (auto& each : listeners_.api()) each.limiter->close();
  if (failure) std::rethrow_exception(failure);
}

int Service::run(const std::function<void()>& on_ready) {
  std::exception_ptr failure;
  asio::co_spawn(process_.loops[0], run_all(on_ready),
                 // run_all() ends inside loops.run() below, so the reference holds.
                 [&failure](std::exception_ptr thrown) { failure = thrown; });
  const auto* reranker = models_.reranker.get();
  log(LogLevel::info, "service.started",
      {{"port", port()},
       {"admin_port", admin_port()},
       {"loops", process_.loops.size()},
       {"embedder", models_.embedder.description()},
       {"reranker", reranker ? describe(reranker->info(), reranker->why_cpu()) : "none"}});
  process_.loops.run();
  return exit_code_after(failure);
}

}  // namespace memseal::app
