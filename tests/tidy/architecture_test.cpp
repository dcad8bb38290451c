// The house as it is built: no include climbs, no includes go in a circle, and
// docs/architecture.svg shows what the sources say.
#include "drawing.hpp"
#include "sources.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

namespace memseal::tidy {
namespace {

std::string joined(const std::vector<std::string>& rooms) {
  std::string text;
  for (const auto& room : rooms) text += room + " -> ";
  return text;
}

TEST(Architecture, EveryRoomHasAFloor) {
  const auto graph = include_graph();
  EXPECT_GT(graph.size(), 20u);
  for (const auto& [room, _] : graph)
    EXPECT_GE(floor_of(room), 0) << room << ": give it a floor in drawing.cpp";
}

TEST(Architecture, NoArrowPointsUpOrSideways) {
  for (const auto& [room, arrows] : include_graph())
    for (const auto& to : arrows) {
      const bool same_folder = room.substr(0, room.find('/')) == to.substr(0, to.find('/'));
      EXPECT_TRUE(same_folder || floor_of(to) > floor_of(room)) << room << " includes " << to;
    }
}

TEST(Architecture, NoIncludesGoInACircle) {
  const auto circle = circle_in(include_graph());
  EXPECT_TRUE(circle.empty()) << joined(circle) << circle.front();
}

TEST(Architecture, ACircleIsSeen) {
  EXPECT_EQ(circle_in({{"a", {"b"}}, {"b", {"c", "d"}}, {"c", {}}, {"d", {"b"}}}),
            (std::vector<std::string>{"b", "d"}));
  EXPECT_TRUE(circle_in({{"a", {"b", "c"}}, {"b", {"c"}}, {"c", {}}}).empty());
}

TEST(Architecture, AnImpliedArrowIsLeftOut) {
  const Graph whole{{"a", {"b", "c"}}, {"b", {"c"}}, {"c", {}}};
  EXPECT_EQ(reduced(whole), (Graph{{"a", {"b"}}, {"b", {"c"}}, {"c", {}}}));
}

// MEMSEAL_REDRAW=1 writes the file.
TEST(Architecture, ThePictureShowsWhatTheSourcesSay) {
  const auto path = fs::path(MEMSEAL_SOURCE_DIR) / "docs/architecture.svg";
  const auto drawn = draw(include_graph());
  if (const char* redraw = std::getenv("MEMSEAL_REDRAW"); redraw != nullptr && *redraw != '\0') {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << drawn;
  }
  std::ostringstream kept;
  kept << std::ifstream(path).rdbuf();
  EXPECT_TRUE(kept.str() == drawn) << path << " is not what the includes say: make lint REDRAW=1";
}

}  // namespace
}  // namespace memseal::tidy
