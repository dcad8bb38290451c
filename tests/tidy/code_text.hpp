#pragma once
#include <string>
#include <vector>

namespace memseal::tidy {

/// The lines as one text, each ended by '\n', where blanks stand for comments and for the content
/// of literals. Positions and lines stay as they are.
std::string code_of(const std::vector<std::string>& lines);

}  // namespace memseal::tidy
