#include "adapters/redis/local_buckets.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace memseal::redis {
namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t now_us = 5'000 * second_us;
constexpr policy::BucketRules ten{10, 100};  // a request every ten seconds
// Questions are limited in tokens too, one a second; figures are not.
constexpr BucketTable rules{policy::RateRules{ten, policy::BucketRules{100, 100}},
                            policy::RateRules{ten}, policy::RateRules{ten},
                            policy::RateRules{ten}};

BucketKey user(std::uint8_t number, ports::Bucket bucket = ports::Bucket::write) {
  UserHash hash;
  hash.bytes[0] = number;
  hash.bytes[31] = number;
  return {hash, bucket};
}

int drain(LocalBuckets& buckets, const BucketKey& who, std::int64_t at_us = now_us) {
  int allowed = 0;
  while (buckets.take(who, at_us, 1).allowed) ++allowed;
  return allowed;
}

TEST(LocalBuckets, KeepOneBucketAUser) {
  LocalBuckets buckets(rules);
  EXPECT_EQ(drain(buckets, user(1)), 10);
  EXPECT_EQ(drain(buckets, user(2)), 10);
  EXPECT_EQ(drain(buckets, user(1), now_us + 20 * second_us), 2);
  EXPECT_EQ(buckets.size(), 2u);
}

TEST(LocalBuckets, ForgetTheLeastRecentlySeenUserAndNoOther) {
  LocalBuckets buckets(rules, 3);
  for (const std::uint8_t number : {1, 2, 3}) drain(buckets, user(number));
  EXPECT_FALSE(buckets.take(user(1), now_us, 1).allowed);  // seen again: 2 is the oldest now
  drain(buckets, user(4));
  EXPECT_EQ(buckets.size(), 3u);
  EXPECT_FALSE(buckets.take(user(1), now_us, 1).allowed);
  EXPECT_FALSE(buckets.take(user(3), now_us, 1).allowed);
  EXPECT_TRUE(buckets.take(user(2), now_us, 1).allowed);
}

TEST(LocalBuckets, KeepTheBucketsOfOneUserApart) {
  LocalBuckets buckets(rules);
  EXPECT_EQ(drain(buckets, user(1, ports::Bucket::query)), 10);
  EXPECT_EQ(drain(buckets, user(1, ports::Bucket::write)), 10);
  EXPECT_EQ(drain(buckets, user(1, ports::Bucket::metrics)), 10);
  EXPECT_EQ(buckets.size(), 3u);
}

TEST(LocalBuckets, TakeRequestsAndTokensTogetherOrNothing) {
  LocalBuckets buckets(rules);
  const auto who = user(1, ports::Bucket::query);
  EXPECT_TRUE(buckets.take(who, now_us, 90).allowed);
  const auto refused = buckets.take(who, now_us, 20);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.tokens, (policy::BucketAnswer{false, 10, 90, 10}));
  EXPECT_EQ(refused.requests, (policy::BucketAnswer{true, 9, 10, 0})) << "no request is taken";
  EXPECT_TRUE(buckets.take(who, now_us, 10).allowed);
}

TEST(LocalBuckets, KnowARefusalBeforeTheRequestIsRead) {
  LocalBuckets buckets(rules);
  const auto who = user(1, ports::Bucket::query);
  EXPECT_FALSE(buckets.refusal(who, now_us));
  EXPECT_EQ(buckets.size(), 0u) << "looking makes no entry";
  drain(buckets, who);
  ASSERT_TRUE(buckets.refusal(who, now_us));
  EXPECT_EQ(buckets.refusal(who, now_us)->requests.retry_after_s, 10);
  EXPECT_FALSE(buckets.refusal(who, now_us + 10 * second_us)) << "there is room again";
  const auto other = user(2, ports::Bucket::query);
  buckets.take(other, now_us, 100);
  EXPECT_TRUE(buckets.refusal(other, now_us)) << "no token is left";
}

TEST(LocalBuckets, ContinueWhereTheSharedOneLeftOff) {
  LocalBuckets buckets(rules);
  buckets.reconcile(user(1), now_us, {70 * second_us, 0}, buckets.unsynced(user(1), now_us));
  EXPECT_EQ(drain(buckets, user(1)), 3);
}

TEST(LocalBuckets, HaveNothingUnsyncedBeforeTheyDecidedAnything) {
  LocalBuckets buckets(rules);
  EXPECT_EQ(buckets.unsynced(user(1), now_us).debt.requests_us, 0);
  buckets.reconcile(user(1), now_us, {70 * second_us, 0}, buckets.unsynced(user(1), now_us));
  EXPECT_EQ(buckets.unsynced(user(1), now_us).debt.requests_us, 0);
}

TEST(LocalBuckets, ReportOnceWhatTheyGaveAway) {
  LocalBuckets buckets(rules);
  for (int i = 0; i < 4; ++i) buckets.take(user(1), now_us, 1);
  const auto sent = buckets.unsynced(user(1), now_us);
  EXPECT_EQ(sent.debt.requests_us, 40 * second_us);
  EXPECT_EQ(buckets.unsynced(user(1), now_us + 15 * second_us).debt.requests_us, 25 * second_us);
  buckets.reconcile(user(1), now_us, {50 * second_us, 0}, sent);
  EXPECT_EQ(buckets.unsynced(user(1), now_us).debt.requests_us, 0);
}

TEST(LocalBuckets, ADecisionBetweenRequestAndReplyStaysUnsynced) {
  LocalBuckets buckets(rules);
  const auto sent = buckets.unsynced(user(1), now_us);
  buckets.take(user(1), now_us, 1);
  buckets.reconcile(user(1), now_us, {}, sent);
  EXPECT_EQ(buckets.unsynced(user(1), now_us).debt.requests_us, 10 * second_us);
}

TEST(LocalBuckets, ReportEverythingAgainOnceMarkedUnsynced) {
  LocalBuckets buckets(rules);
  buckets.reconcile(user(1), now_us, {70 * second_us, 0}, buckets.unsynced(user(1), now_us));
  buckets.mark_all_unsynced();
  const auto sent = buckets.unsynced(user(1), now_us);
  EXPECT_EQ(sent.debt.requests_us, 70 * second_us);
  buckets.reconcile(user(1), now_us, {70 * second_us, 0}, sent);
  EXPECT_EQ(buckets.unsynced(user(1), now_us).debt.requests_us, 0);
}

TEST(LocalBuckets, AreExactForManyThreads) {
  LocalBuckets buckets(rules);
  std::atomic<int> allowed{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int n = 0; n < 2'000; ++n) allowed += buckets.take(user(1), now_us, 1).allowed;
      });
  }
  EXPECT_EQ(allowed, 10);
}

}  // namespace
}  // namespace memseal::redis
