#pragma once
// The include graph as a picture.
#include "graph.hpp"

#include <string>
#include <vector>

namespace memseal::tidy {

/// The floors of the house from the roof down. Each is a list of top folders, side by side.
const std::vector<std::vector<std::string>>& floors();

/// The floor of a room by its top folder, 0 for the roof; -1 if no floor has it.
int floor_of(const std::string& room);

/// An SVG: a box a room, a frame a folder, an arrow for each include that no other arrows imply. An
/// arrow that does not point down is red. The same graph gives the same text.
std::string draw(const Graph& graph);

}  // namespace memseal::tidy
