#include "pure/policy/pace.hpp"

#include <algorithm>

namespace memseal::policy {

void Pace::took(std::size_t amount, std::chrono::steady_clock::duration time) noexcept {
  if (time > rules_.slow)
    size_ = std::max(rules_.least, size_ / 2);
  else if (time < rules_.fast && amount >= size_ / 2)
    size_ = std::min(rules_.most, size_ * 2);
}

}  // namespace memseal::policy
