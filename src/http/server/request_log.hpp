#pragma once
// Which requests get a line in the log: some of each kind each second, so that every kind shows and
// no flood fills the disk. The audit log has all that touched a user's memory.
#include "runtime/context.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace memseal::http {

/// What a line is about, each with a budget of its own.
enum class LoggedKind { succeeded, redirected, refused, failed, unauthenticated, unreadable };
inline constexpr std::size_t logged_kinds = 6;

/// That of an answer.
LoggedKind logged_kind_of(int status) noexcept;

/// Thread: one.
class RequestLog {
 public:
  /// `per_second`: lines of one kind; 0: none.
  explicit RequestLog(std::int64_t per_second) : per_second_(per_second) {}

  /// Whether to write a line of this kind now.
  bool admits(LoggedKind kind, runtime::Clock::time_point now) noexcept;
  /// Lines of this kind that were not written since this was last asked.
  std::int64_t take_unlogged(LoggedKind kind) noexcept;

 private:
  struct Budget {
    runtime::Clock::time_point second{};  // when the second began
    std::int64_t used = 0, unlogged = 0;
  };
  std::int64_t per_second_;
  std::array<Budget, logged_kinds> budgets_{};
};

}  // namespace memseal::http
