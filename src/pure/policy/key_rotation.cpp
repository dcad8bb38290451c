#include "pure/policy/key_rotation.hpp"

namespace memseal::policy {

KeyStep next_key_step(bool has_active, std::int64_t seals, std::int64_t seals_max) noexcept {
  if (!has_active) return KeyStep::make_first;
  return seals < seals_max ? KeyStep::keep : KeyStep::replace;
}

}  // namespace memseal::policy
