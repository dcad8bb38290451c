#pragma once
// Points in time as text (RFC 3339).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::codec {

/// The years 0 to 9999 in UTC: what the format can say.
inline constexpr std::int64_t rfc3339_ms_min = -62'167'219'200'000;
inline constexpr std::int64_t rfc3339_ms_max = 253'402'300'799'999;

/// Unix milliseconds of `YYYY-MM-DDThh:mm:ss[.digits](Z|±hh:mm)`, digits after the third cut off.
/// `T` and `Z` may be lower case. A leap second (23:59:60 UTC) counts as the second after it.
/// Nothing when the text is anything else, the day does not exist, or there is no offset,
/// or the time is outside these years in UTC.
std::optional<std::int64_t> parse_rfc3339(std::string_view text) noexcept;

/// `YYYY-MM-DDThh:mm:ss.mmmZ`. `time_ms`: within the years above.
std::string format_rfc3339(std::int64_t time_ms);

}  // namespace memseal::codec
