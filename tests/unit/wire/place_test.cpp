#include "pure/wire/place.hpp"

#include <gtest/gtest.h>

namespace memseal::wire {
namespace {

TEST(PlaceInMeta, ComesBackAsItWasAndLeavesTheRest) {
  const Place place{"iv", "v", "Keys > \"Rotation\""};
  const auto meta = meta_with_place(R"({"name":"a","attributes":{"page":1}})", place);
  EXPECT_EQ(place_of_meta(meta), place);
  EXPECT_TRUE(meta.starts_with(R"({"name":"a","attributes":{"page":1},"place":{)")) << meta;
}

TEST(PlaceInMeta, OtherJsonHoldsNone) {
  for (const auto* meta : {"", "{", "[]", "{}", R"({"place":"p. 3"})", R"({"place":null})",
                           R"({"attributes":{"place":{"page":"3"}}})"})
    EXPECT_FALSE(place_of_meta(meta)) << meta;
  EXPECT_EQ(place_of_meta(R"({"place":{"page":3,"heading":"a"}})"), (Place{"", "", "a"}));
}

}  // namespace
}  // namespace memseal::wire
