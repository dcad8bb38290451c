#include "pure/policy/key_rotation.hpp"

namespace memseal::policy {

std::string_view key_step_name(KeyStep step) noexcept {
  switch (step) {
    case KeyStep::keep:
      return "keep";
    case KeyStep::make_first:
      return "make_first";
    case KeyStep::replace:
      return "replace";
  }
  return "keep";
}

KeyStep next_key_step(bool has_active, std::int64_t seals, std::int64_t seals_max) noexcept {
  if (!has_active) return KeyStep::make_first;
  return seals < seals_max ? KeyStep::keep : KeyStep::replace;
}

}  // namespace memseal::policy
