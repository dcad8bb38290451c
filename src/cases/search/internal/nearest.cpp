#include "cases/search/internal/nearest.hpp"

#include <algorithm>
#include <limits>

namespace memseal::search {

namespace {
constexpr float infinite = std::numeric_limits<float>::infinity();
}

Nearest::Nearest(std::size_t limit, float error, const std::optional<ports::SearchPlace>& after)
    : limit_(limit),
      room_(2 * limit + 1'024),
      error_(error),
      near_(after ? after->distance - error : -infinite),
      far_(after ? after->distance + error : -infinite),
      bound_(infinite) {
  kept_.reserve(room_);
}

// A row that is farther than the `limit`-th one by more than two errors cannot be nearer than it,
// whoever computes both.
void Nearest::prune() {
  if (kept_.size() > limit_) {
    const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(limit_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end(), [](const Scored& a, const Scored& b) {
      return a.distance < b.distance;
    });
    bound_ = last->distance + 2 * error_;
    std::erase_if(kept_, [this](const Scored& one) { return one.distance > bound_; });
  }
  room_ = std::max(room_, 2 * kept_.size());
}

std::size_t Nearest::certain() {
  prune();
  return std::min(limit_, behind_);
}

}  // namespace memseal::search
