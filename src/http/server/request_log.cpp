#include "http/server/request_log.hpp"

#include <utility>

namespace memseal::http {

LoggedKind logged_kind_of(int status) noexcept {
  if (status >= 500) return LoggedKind::failed;
  if (status >= 400) return LoggedKind::refused;
  return status >= 300 ? LoggedKind::redirected : LoggedKind::succeeded;
}

bool RequestLog::admits(LoggedKind kind, runtime::Clock::time_point now) noexcept {
  auto& budget = budgets_[static_cast<std::size_t>(kind)];
  if (now - budget.second >= std::chrono::seconds(1)) {
    budget.second = now;
    budget.used = 0;
  }
  if (budget.used < per_second_) {
    ++budget.used;
    return true;
  }
  ++budget.unlogged;
  return false;
}

std::int64_t RequestLog::take_unlogged(LoggedKind kind) noexcept {
  return std::exchange(budgets_[static_cast<std::size_t>(kind)].unlogged, 0);
}

}  // namespace memseal::http
