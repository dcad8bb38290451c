#include "pure/policy/backoff.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace memseal::policy {

Backoff::Duration Backoff::next(double unit) {
  MEMSEAL_ASSERT(unit >= 0.0 && unit < 1.0);
  const auto ceiling = std::min(ceiling_, most_);
  ceiling_ = ceiling > most_ / 2 ? most_ : ceiling * 2;
  ++failures_;
  return Duration(static_cast<Duration::rep>(unit * static_cast<double>(ceiling.count())));
}

}  // namespace memseal::policy
