#include "cases/lifecycle/internal/key_cache.hpp"

#include <gtest/gtest.h>

namespace memseal::lifecycle {
namespace {

using namespace std::chrono_literals;

crypto::Tenant tenant(int number) {
  static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 1)));
  return keyer.tenant_of(UserId::parse("user-" + std::to_string(number)).value());
}

KeySet keys(std::uint32_t id) {
  KeySet set;
  set.sealing_id = id;
  set.keys.emplace(id, std::make_shared<const crypto::TenantKey>());
  return set;
}

const auto start = runtime::Clock::time_point{} + 1h;

TEST(KeyCache, HandsBackWhatWasPut) {
  KeyCache cache(4, 5min);
  EXPECT_FALSE(cache.find(tenant(1), start));
  cache.put(tenant(1), keys(7), start, cache.epoch());
  const auto found = cache.find(tenant(1), start + 4min);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sealing_id, 7u);
  EXPECT_TRUE(found->find(7));
  EXPECT_FALSE(found->find(8));
  EXPECT_FALSE(cache.find(tenant(2), start));
}

TEST(KeyCache, ForgetsAfterItsLifetimeHoweverOftenItIsAsked) {
  KeyCache cache(4, 5min);
  cache.put(tenant(1), keys(1), start, cache.epoch());
  EXPECT_TRUE(cache.find(tenant(1), start + 299s));
  EXPECT_FALSE(cache.find(tenant(1), start + 300s));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(KeyCache, DropsTheTenantThatWasAwayLongest) {
  KeyCache cache(2, 5min);
  cache.put(tenant(1), keys(1), start, cache.epoch());
  cache.put(tenant(2), keys(1), start, cache.epoch());
  EXPECT_TRUE(cache.find(tenant(1), start));
  cache.put(tenant(3), keys(1), start, cache.epoch());
  EXPECT_TRUE(cache.find(tenant(1), start));
  EXPECT_FALSE(cache.find(tenant(2), start));
  EXPECT_TRUE(cache.find(tenant(3), start));
  EXPECT_EQ(cache.size(), 2u);
}

TEST(KeyCache, DoesNotTakeKeysReadBeforeAnErasure) {
  KeyCache cache(4, 5min);
  const auto before = cache.epoch();
  cache.forget(tenant(1));
  cache.put(tenant(1), keys(1), start, before);
  EXPECT_FALSE(cache.find(tenant(1), start));
  cache.put(tenant(1), keys(1), start, cache.epoch());
  EXPECT_TRUE(cache.find(tenant(1), start));
}

}  // namespace
}  // namespace memseal::lifecycle
