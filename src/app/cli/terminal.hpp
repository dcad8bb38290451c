#pragma once
// What the terminal at the other end can show.
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace memseal::app {

/// Columns for help: those of the terminal, from 40 to 100; 80 where stdout is no terminal.
std::size_t help_columns();

/// Whether `environment` lets text have colours: NO_COLOR is unset or empty (no-color.org), and
/// TERM is not "dumb".
bool allows_colours(const std::vector<std::pair<std::string, std::string>>& environment);

}  // namespace memseal::app
