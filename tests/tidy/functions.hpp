#pragma once
// Where the functions of a source begin and end.
#include <cstddef>
#include <string>
#include <vector>

namespace memseal::tidy {

struct Function {
  std::size_t first = 0;  ///< line of its declaration, from 0
  std::size_t last = 0;   ///< line of its closing brace
};

/// Every function with a body, at namespace level or inside a class. A lambda and a local class
/// belong to the function around them. Reads braces, not C++: exact for code as clang-format leaves
/// it.
std::vector<Function> functions_of(const std::vector<std::string>& lines);

}  // namespace memseal::tidy
