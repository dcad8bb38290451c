#pragma once
// The known name that an unknown one was probably meant to be.
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace memseal::codec {

/// Edits (insert, delete or replace one byte) that turn `a` into `b`. Takes |a|·|b| steps.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The first of the candidates nearest to `word`. Returns nothing if the nearest is more than
/// `edits_max` edits away, or if as many edits as it has bytes would make it out of nothing.
std::optional<std::string_view> did_you_mean(std::string_view word,
                                             std::span<const std::string_view> candidates,
                                             std::size_t edits_max = 2);

}  // namespace memseal::codec
