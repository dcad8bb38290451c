#include "pure/policy/key_rotation.hpp"

#include <gtest/gtest.h>

namespace memseal::policy {
namespace {

struct Case {
  bool has_active;
  std::int64_t seals;
  std::int64_t seals_max;
  KeyStep step;
};

TEST(KeyRotation, DecidesByTheActiveKeyAndItsCount) {
  constexpr auto most = limits::seals_per_key_max;
  const Case cases[]{{false, 0, most, KeyStep::make_first},
                     {false, most, most, KeyStep::make_first},  // the count is of no key then
                     {true, 0, most, KeyStep::keep},
                     {true, most - 1, most, KeyStep::keep},
                     {true, most, most, KeyStep::replace},
                     {true, most + 1, most, KeyStep::replace},
                     {true, 2, 3, KeyStep::keep},
                     {true, 3, 3, KeyStep::replace}};
  for (const auto& each : cases)
    EXPECT_EQ(next_key_step(each.has_active, each.seals, each.seals_max), each.step)
        << "active " << each.has_active << ", seals " << each.seals << " of " << each.seals_max;
}

TEST(KeyRotation, TakesTheShareOfAKeyFromTheLimits) {
  EXPECT_EQ(next_key_step(true, limits::seals_per_key_max - 1), KeyStep::keep);
  EXPECT_EQ(next_key_step(true, limits::seals_per_key_max), KeyStep::replace);
}

}  // namespace
}  // namespace memseal::policy
