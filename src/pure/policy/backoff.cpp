#include "pure/policy/backoff.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace memseal::policy {

// Full jitter: the wait is uniform between zero and the ceiling, so that clients which failed at
// the same moment do not return at the same moment.
Backoff::Duration Backoff::next(double unit) {
  MEMSEAL_ASSERT(unit >= 0.0 && unit < 1.0);
  const auto ceiling = std::min(ceiling_, most_);
  // Compared before doubling, because doubling a long `most_` could overflow.
  ceiling_ = ceiling > most_ / 2 ? most_ : ceiling * 2;
  ++failures_;
  return Duration(static_cast<Duration::rep>(unit * static_cast<double>(ceiling.count())));
}

}  // namespace memseal::policy
