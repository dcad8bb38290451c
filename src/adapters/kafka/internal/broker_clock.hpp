#pragma once
// How far the brokers' clock is ahead of this machine's.
#include <cstdint>

namespace memseal::kafka {

/// Believes the report that took the least time of the last minute, because its broker's time lies
/// in the shortest interval of ours (as NTP does). Pure. Thread: one.
class BrokerClock {
 public:
  /// A broker gave a record the time `broker_ms` in the `took_ms` before `now_ms`.
  void saw(std::int64_t broker_ms, std::int64_t now_ms, std::int64_t took_ms) noexcept {
    if (now_ms - best_at_ms_ <= kept_ms && took_ms > best_took_ms_) return;
    best_at_ms_ = now_ms;
    best_took_ms_ = took_ms;
    ahead_ms_ = broker_ms - (now_ms - took_ms / 2);
  }
  /// 0 while nothing was seen.
  std::int64_t ahead_ms() const noexcept { return ahead_ms_; }

 private:
  static constexpr std::int64_t kept_ms = 60'000;
  std::int64_t best_at_ms_ = -kept_ms, best_took_ms_ = 0, ahead_ms_ = 0;
};

}  // namespace memseal::kafka
