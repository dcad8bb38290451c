#pragma once
// Text of strangers, made safe for a terminal.
#include <cstddef>
#include <string>
#include <string_view>

namespace memseal::app {

/// `text` on one line of at most `bytes_max` bytes, with "…" at a cut.
/// White space, C0 and C1 controls and line separators become a space, runs of them one. Characters
/// that reorder what a terminal shows (bidirectional controls) are dropped. Ill-formed UTF-8
/// becomes U+FFFD.
std::string one_line(std::string_view text, std::size_t bytes_max);

/// JSON with the same characters escaped (\u009b), so that its value stays and a terminal ignores
/// them. Line feeds and tabs stay. Text that is not JSON is safe to print as well.
std::string escape_controls(std::string_view json);

/// "1 result", "2 results": a number with its noun, whose plural ends in s.
std::string count_of(std::size_t count, std::string_view noun);

}  // namespace memseal::app
