#include "cases/auditing/auditor.hpp"

#include "runtime/condition.hpp"
#include "runtime/log.hpp"
#include "runtime/wall_clock.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

namespace memseal::auditing {

using audit::Outcome;
using runtime::log;
using runtime::LogLevel;

namespace {

constexpr std::string_view lost_action = "audit.lost";
/// How often run() asks whether a checkpoint is due. The first one of a process comes with it, so
/// that a new chain is soon known to exist.
constexpr std::chrono::seconds look_every{30};

runtime::RequestContext write_context() {
  return {"audit", runtime::Deadline::after(std::chrono::seconds(10))};
}

/// For the log of the process: no name, no hash of a user.
void tell_order(const Event& event) {
  log(LogLevel::info, "auditing.order",
      {{"action", event.action},
       {"outcome", outcome_name(event.outcome)},
       {"request_id", event.request_id},
       {"actor", event.actor},
       {"address", event.address}});
}

}  // namespace

Scope parse_scope(std::string_view name) noexcept {
  return name == "none" ? Scope::none : name == "changes" ? Scope::changes : Scope::all;
}

AuditMetrics::AuditMetrics(runtime::Metrics& metrics)
    : written(metrics.counter("memseal_audit_records_total",
                              "Records of the audit log, by what became of them.",
                              {{"state", "written"}})),
      lost(metrics.counter("memseal_audit_records_total",
                           "Records of the audit log, by what became of them.",
                           {{"state", "lost"}})),
      refused(metrics.counter("memseal_audit_refused_total",
                              "Actions refused because the audit log could not be written.")),
      failures(metrics.counter("memseal_audit_failures_total",
                               "Attempts to write to the audit log that failed.")),
      waiting(metrics.gauge("memseal_audit_waiting", "Records that wait to be written.")),
      checkpoint_at(metrics.gauge("memseal_audit_checkpoint_seconds",
                                  "Unix time of the last checkpoint that this process signed.")),
      blocked(metrics.gauge("memseal_audit_checkpoint_blocked",
                            "1 while somebody keeps every process from signing the audit log.")),
      checkpoint_every(metrics.gauge("memseal_audit_checkpoint_interval_seconds",
                                     "Time between two checkpoints, as it is set.")) {}

Auditor::Auditor(ports::AuditLog& log, AuditMetrics& metrics, audit::Marks marks,
                 AuditorOptions options)
    : log_(log), metrics_(metrics), marks_(std::move(marks)), options_(std::move(options)) {
  metrics_.checkpoint_every.Set(static_cast<double>(options_.checkpoint_every.count()));
}

void Auditor::note(Weight weight, Event event) {
  if (!is_on() || (weight == Weight::read && options_.scope == Scope::changes)) return;
  // An order is taken also while the database is away, so another log has it if this process dies.
  if (weight == Weight::order) tell_order(event);
  hash_documents(marks_, event);
  const std::lock_guard lock(mutex_);
  // The last quarter is kept for what changes something, so that a flood of reads hides no write.
  const auto room = weight == Weight::read ? options_.waiting_max / 4 * 3 : options_.waiting_max;
  if (queue_.size() >= room && weight < Weight::order) {
    ++lost_;
    metrics_.lost.Increment();
    return;
  }
  queue_.push_back({weight, std::move(event)});
  metrics_.waiting.Set(static_cast<double>(queue_.size()));
}

asio::awaitable<void> Auditor::commit(runtime::RequestContext context, Event event) {
  if (!is_on()) co_return;
  Event kept = event;
  try {
    std::vector<Event> one;
    one.push_back(std::move(event));
    co_await log_.append(context.within(options_.commit_max), std::move(one));
    metrics_.written.Increment();
    co_return;
  } catch (const Failure& failed) {
    metrics_.failures.Increment();
    metrics_.refused.Increment();
    log(LogLevel::error, "auditing.refused",
        {{"action", kept.action},
         {"request_id", kept.request_id},
         {"cause", failed.error().message}});
  }
  throw_failure({Errc::unavailable, "the audit log cannot be written, and this must be in it"});
}

std::vector<Auditor::Waiting> Auditor::take() {
  const std::lock_guard lock(mutex_);
  const auto count = std::min(queue_.size(), options_.batch_max);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Waiting> batch(std::make_move_iterator(queue_.begin()),
                             std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  metrics_.waiting.Set(static_cast<double>(queue_.size()));
  if (lost_ == 0) return batch;
  // Behind what was queued before the queue was full.
  Event told;
  told.action = lost_action;
  told.at_ms = runtime::unix_ms();
  told.outcome = Outcome::failed;
  told.count = std::exchange(lost_, 0);
  batch.push_back({Weight::order, std::move(told)});
  return batch;
}

void Auditor::put_back(std::vector<Waiting> batch) {
  const std::lock_guard lock(mutex_);
  // Reports of losses become a number again, so that they do not pile up.
  std::erase_if(batch, [&](const Waiting& one) {
    if (one.event.action != lost_action) return false;
    lost_ += one.event.count;
    return true;
  });
  // In front, so that the order of the log is that of the requests.
  queue_.insert(queue_.begin(), std::make_move_iterator(batch.begin()),
                std::make_move_iterator(batch.end()));
  metrics_.waiting.Set(static_cast<double>(queue_.size()));
}

// Returns whether there may be more to write now.
asio::awaitable<bool> Auditor::write_batch(runtime::RequestContext context) {
  auto batch = take();
  if (batch.empty()) co_return false;
  std::vector<Event> events;
  events.reserve(batch.size());
  for (const auto& one : batch) events.push_back(one.event);
  const bool was_full = batch.size() >= options_.batch_max;
  std::exception_ptr failure;
  try {
    co_await log_.append(std::move(context), std::move(events));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    put_back(std::move(batch));
    std::rethrow_exception(failure);
  }
  metrics_.written.Increment(static_cast<double>(batch.size()));
  co_return was_full;
}

asio::awaitable<void> Auditor::sign_ends(std::chrono::seconds every) {
  const auto now_ms = runtime::unix_ms();
  const auto outcome = co_await log_.checkpoint(write_context(), now_ms, every);
  if (outcome.made > 0) metrics_.checkpoint_at.Set(static_cast<double>(now_ms) / 1'000);
  tell_blocked(outcome.held_by);
}

// Twice in turn, because a process that signs at this moment holds the lock too.
void Auditor::tell_blocked(const std::string& held_by) {
  blocked_looks_ = held_by.empty() ? 0 : blocked_looks_ + 1;
  metrics_.blocked.Set(blocked_looks_ > 1 ? 1 : 0);
  if (blocked_looks_ == 2)
    log(LogLevel::error, "auditing.checkpoint_blocked", {{"held_by", held_by}});
}

asio::awaitable<void> Auditor::run() {
  if (!is_on()) co_return;
  auto look_at = runtime::Clock::now() + std::min<runtime::Clock::duration>(
                                             look_every, options_.checkpoint_every);
  bool told = false;  // of a failure that lasts
  for (;;) {
    co_await runtime::pause_for(told ? options_.retry : options_.every);
    try {
      bool more = true;
      while (more) more = co_await write_batch(write_context());
      if (runtime::Clock::now() >= look_at) {
        co_await sign_ends(options_.checkpoint_every);
        look_at = runtime::Clock::now() + std::min<runtime::Clock::duration>(
                                              look_every, options_.checkpoint_every);
      }
      if (std::exchange(told, false)) log(LogLevel::info, "auditing.resumed");
    } catch (const Failure& failed) {
      metrics_.failures.Increment();
      // One line when it begins and one when it ends: the log must not be filled by a database that
      // is away for hours.
      if (std::exchange(told, true)) continue;
      log(LogLevel::error, "auditing.unwritten", {{"cause", failed.error().message}});
    }
  }
}

asio::awaitable<void> Auditor::drain(runtime::RequestContext context) {
  if (!is_on()) co_return;
  try {
    bool more = true;
    while (more) more = co_await write_batch(context);
    co_await sign_ends(std::chrono::seconds(0));
  } catch (const std::exception& failed) {
    std::size_t left = 0;
    {
      const std::lock_guard lock(mutex_);
      left = queue_.size();
    }
    metrics_.lost.Increment(static_cast<double>(left));
    log(LogLevel::error, "auditing.lost", {{"records", left}, {"cause", failed.what()}});
  }
}

}  // namespace memseal::auditing
