// Any answer of a proxy: a state and counts that can be, or refused.
#include "adapters/haproxy/internal/replies.hpp"

#include "base/assert.hpp"

#include <cstdint>

using namespace memseal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view answer(reinterpret_cast<const char*>(data), size);
  for (const auto& file : haproxy::read_map_files(answer)) MEMSEAL_ASSERT(!file.empty());
  const auto state = haproxy::read_traffic_state(haproxy::read_map_entries(answer));
  if (state)
    MEMSEAL_ASSERT(state->users >= 0 && state->users <= ports::TrafficState::every_user);
  else
    MEMSEAL_ASSERT(state.error().code == Errc::bad_config);
  const auto counts = haproxy::read_backend_counts(answer, "slot_a");
  MEMSEAL_ASSERT(counts || counts.error().code == Errc::bad_config);
  return 0;
}
