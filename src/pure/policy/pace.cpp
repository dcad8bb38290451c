#include "pure/policy/pace.hpp"

#include <algorithm>

namespace memseal::policy {

namespace {

// Half the size at the same time for each call is half the rate.
constexpr double rate_kept_least = 0.75;
constexpr int spared_calls = 8;

}  // namespace

void Pace::took(std::size_t amount, std::chrono::steady_clock::duration time) noexcept {
  if (time > rules_.slow)
    return was_slow(static_cast<double>(amount) / std::chrono::duration<double>(time).count());
  halved_at_ = 0;
  if (time < rules_.fast && amount >= size_ / 2) size_ = std::min(rules_.most, size_ * 2);
}

void Pace::was_slow(double rate) noexcept {
  if (spared_ > 0) {
    --spared_;
    return;
  }
  if (rate < halved_at_ * rate_kept_least) {
    size_ = std::min(rules_.most, size_ * 2);
    halved_at_ = 0;
    spared_ = spared_calls;
    return;
  }
  halved_at_ = size_ > rules_.least ? rate : 0;
  size_ = std::max(rules_.least, size_ / 2);
}

}  // namespace memseal::policy
