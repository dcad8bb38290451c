#pragma once
#include <cstddef>

namespace memseal::extract {

inline constexpr std::size_t memory_bytes_max = std::size_t{512} << 20;
inline constexpr unsigned cpu_seconds_max = 10;

/// Takes from this process, for good, whatever reading memory and writing to descriptors 1 and 2
/// does not need: privileges, files, network, other processes, new code. Bounds its memory and
/// time. Ends the process with 126 where one of the layers cannot be put on: none is optional.
void enter_sandbox();

}  // namespace memseal::extract
