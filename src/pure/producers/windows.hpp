#pragma once
// For how long a producer's signature counts, where no operator says otherwise.
#include <chrono>

namespace memseal::producers {

/// How far the time of a signature may be from the broker's time of its record, either way: more
/// than clocks differ, and too little for a recorded event to be of use later.
inline constexpr std::chrono::seconds signature_window{300};
/// Where the broker gives records no time: as long as Kafka keeps records by default.
inline constexpr std::chrono::hours signature_age{168};

}  // namespace memseal::producers
