// Any text as a time: what is accepted is a time that can be written, and is read back as itself.
#include "base/assert.hpp"
#include "pure/codec/rfc3339.hpp"

#include <cstdint>
#include <cstring>

using namespace memseal::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto time_ms = parse_rfc3339(text)) {
    MEMSEAL_ASSERT(size >= 20 && *time_ms >= rfc3339_ms_min && *time_ms <= rfc3339_ms_max);
    MEMSEAL_ASSERT(parse_rfc3339(format_rfc3339(*time_ms)) == *time_ms);
  }
  if (size >= sizeof(std::int64_t)) {
    std::int64_t time_ms = 0;
    std::memcpy(&time_ms, data, sizeof time_ms);
    if (time_ms >= rfc3339_ms_min && time_ms <= rfc3339_ms_max) {
      const auto written = format_rfc3339(time_ms);
      MEMSEAL_ASSERT(written.size() == 24 && parse_rfc3339(written) == time_ms);
    }
  }
  return 0;
}
