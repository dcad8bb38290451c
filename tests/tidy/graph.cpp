#include "graph.hpp"

#include "sources.hpp"

#include <functional>

namespace memseal::tidy {
namespace {

bool reaches(const Graph& graph, const std::string& from, const std::string& to) {
  std::set<std::string> seen;
  std::vector<std::string> open{from};
  while (!open.empty()) {
    const auto room = open.back();
    open.pop_back();
    if (!graph.contains(room)) continue;
    for (const auto& next : graph.at(room)) {
      if (next == to) return true;
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

}  // namespace

Graph include_graph() {
  Graph graph;
  for (const auto& source : product_sources()) {
    const auto from = source.room();
    if (from.empty()) continue;
    auto& arrows = graph[from];
    for (const auto& line : source.lines) {
      const auto to = room_of_include(included(line));
      if (!to.empty() && to != from) arrows.insert(to);
    }
  }
  return graph;
}

std::vector<std::string> circle_in(const Graph& graph) {
  std::vector<std::string> way;
  std::set<std::string> done;
  std::function<bool(const std::string&)> walk = [&](const std::string& room) {
    if (const auto seen = std::find(way.begin(), way.end(), room); seen != way.end()) {
      way.erase(way.begin(), seen);
      return true;
    }
    if (!graph.contains(room) || !done.insert(room).second) return false;
    way.push_back(room);
    for (const auto& next : graph.at(room))
      if (walk(next)) return true;
    way.pop_back();
    return false;
  };
  for (const auto& [room, _] : graph)
    if (walk(room)) return way;
  return {};
}

Graph reduced(Graph graph) {
  const auto rooms = graph;
  for (const auto& [room, arrows] : rooms)
    for (const auto& to : arrows) {
      graph[room].erase(to);
      if (!reaches(graph, room, to)) graph[room].insert(to);
    }
  return graph;
}

}  // namespace memseal::tidy
