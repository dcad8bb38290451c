#pragma once
// The rooms and the includes between them.
#include <map>
#include <set>
#include <string>
#include <vector>

namespace memseal::tidy {

/// What each room includes of other rooms. Every room is a key.
using Graph = std::map<std::string, std::set<std::string>>;

/// As the product's sources say it.
Graph include_graph();

/// The rooms of one circle, each including the next and the last the first; empty if there is none.
std::vector<std::string> circle_in(const Graph& graph);

/// Without the arrows that others imply: of a → b, b → c and a → c, the last.
Graph reduced(Graph graph);

}  // namespace memseal::tidy
