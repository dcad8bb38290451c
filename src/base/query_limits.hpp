#pragma once
// The outer walls of what one request may ask for; what it gets by default stands in limits.hpp.
#include "base/limits.hpp"

#include <cstddef>

namespace memseal::limits {

inline constexpr std::size_t candidates_wall = 100, answers_wall = 100;
inline constexpr std::size_t questions_max = 8;  // of one request
inline constexpr std::size_t expand_max = 5;     // neighbours on each side of a result
/// Candidates that a cursor names because they lie behind its place.
inline constexpr std::size_t ahead_max = 200;
/// Chunks of which one question looks at the sealed attributes.
inline constexpr std::size_t attribute_rows_max = 100'000;
static_assert(answers_wall <= candidates_wall);
static_assert(answers_max <= answers_wall && candidates_max <= candidates_wall);

}  // namespace memseal::limits
