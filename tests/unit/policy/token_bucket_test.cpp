#include "pure/policy/token_bucket.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace memseal::policy {
namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t start_us = 1'700'000'000 * second_us;
constexpr BucketRules hundred_an_hour{};

TEST(TokenBucket, AllowsExactlyItsTokensInABurst) {
  TokenBucket bucket;
  for (int i = 1; i <= 100; ++i) {
    const auto answer = bucket.take(hundred_an_hour, start_us);
    EXPECT_TRUE(answer.allowed) << i;
    EXPECT_EQ(answer.remaining, 100 - i);
    EXPECT_EQ(answer.reset_s, 36 * i);
    EXPECT_EQ(answer.retry_after_s, 0);
  }
  EXPECT_EQ(bucket.take(hundred_an_hour, start_us), (BucketAnswer{false, 0, 3'600, 36}));
}

TEST(TokenBucket, GivesOneTokenBackAfterEachStep) {
  TokenBucket bucket;
  for (int i = 0; i < 100; ++i) bucket.take(hundred_an_hour, start_us);
  EXPECT_FALSE(bucket.take(hundred_an_hour, start_us + 36 * second_us - 1).allowed);
  EXPECT_TRUE(bucket.take(hundred_an_hour, start_us + 36 * second_us).allowed);
  EXPECT_FALSE(bucket.take(hundred_an_hour, start_us + 36 * second_us).allowed);
  EXPECT_TRUE(bucket.take(hundred_an_hour, start_us + 72 * second_us).allowed);
}

TEST(TokenBucket, IsFullAgainAfterItsWindow) {
  TokenBucket bucket;
  for (int i = 0; i < 100; ++i) bucket.take(hundred_an_hour, start_us);
  const auto later_us = start_us + 3'600 * second_us;
  EXPECT_EQ(bucket.debt_us(hundred_an_hour, later_us), 0);
  int allowed = 0;
  while (bucket.take(hundred_an_hour, later_us).allowed) ++allowed;
  EXPECT_EQ(allowed, 100);
}

TEST(TokenBucket, ARefusedRequestCostsNothing) {
  TokenBucket bucket;
  const BucketRules rules{1, 10};
  EXPECT_TRUE(bucket.take(rules, start_us).allowed);
  for (int i = 1; i < 100; ++i) {
    const auto answer = bucket.take(rules, start_us + i * second_us / 10);
    EXPECT_FALSE(answer.allowed);
    EXPECT_LE(answer.retry_after_s, 10);
    EXPECT_GE(answer.retry_after_s, 1);
  }
  EXPECT_TRUE(bucket.take(rules, start_us + 10 * second_us).allowed);
}

TEST(TokenBucket, RetryAfterIsHonest) {
  std::mt19937 random(7);
  const BucketRules rules{7, 10};
  TokenBucket bucket;
  std::int64_t now_us = start_us;
  for (int i = 0; i < 2'000; ++i) {
    now_us += static_cast<std::int64_t>(random() % second_us);
    const auto answer = bucket.take(rules, now_us);
    if (answer.allowed) continue;
    auto then = bucket;
    EXPECT_TRUE(then.take(rules, now_us + answer.retry_after_s * second_us).allowed);
  }
}

TEST(TokenBucket, NeverAllowsMoreThanABurstAndItsRateInAnyWindow) {
  std::mt19937 random(11);
  const BucketRules rules{10, 60};
  TokenBucket bucket;
  std::deque<std::int64_t> allowed_us;
  std::int64_t now_us = start_us;
  for (int i = 0; i < 20'000; ++i) {
    now_us += static_cast<std::int64_t>(random() % (4 * second_us));
    if (bucket.take(rules, now_us).allowed) allowed_us.push_back(now_us);
    while (!allowed_us.empty() && allowed_us.front() <= now_us - rules.full_us())
      allowed_us.pop_front();
    ASSERT_LE(allowed_us.size(), 2u * 10) << "a burst, and a window's refill";
  }
}

TEST(TokenBucket, AClockThatGoesBackEmptiesItAtMost) {
  TokenBucket bucket;
  for (int i = 0; i < 100; ++i) bucket.take(hundred_an_hour, start_us);
  const auto earlier_us = start_us - 86'400 * second_us;
  EXPECT_EQ(bucket.take(hundred_an_hour, earlier_us), (BucketAnswer{false, 0, 3'600, 36}));
  EXPECT_TRUE(TokenBucket().take(hundred_an_hour, -5).allowed);
}

TEST(TokenBucket, TighterRulesEmptyItAtMost) {
  TokenBucket bucket;
  for (int i = 0; i < 100; ++i) bucket.take(hundred_an_hour, start_us);
  const BucketRules tighter{10, 60};
  EXPECT_EQ(bucket.take(tighter, start_us), (BucketAnswer{false, 0, 60, 6}));
}

TEST(TokenBucket, OwesWhatAnotherKeeperGaveAway) {
  TokenBucket bucket;
  bucket.owe(hundred_an_hour, start_us, 60 * 36 * second_us);
  EXPECT_EQ(bucket.take(hundred_an_hour, start_us).remaining, 39);
  bucket.owe(hundred_an_hour, start_us, 5);
  EXPECT_EQ(bucket.take(hundred_an_hour, start_us).remaining, 38) << "owing less changes nothing";
  bucket.owe(hundred_an_hour, start_us, INT64_MAX);
  EXPECT_FALSE(bucket.take(hundred_an_hour, start_us).allowed);
  EXPECT_EQ(bucket.debt_us(hundred_an_hour, start_us), hundred_an_hour.full_us());
}

TEST(TokenBucket, TakesWhatARequestCosts) {
  TokenBucket bucket;
  const BucketRules rules{100, 100};
  EXPECT_EQ(bucket.take(rules, start_us, 60), (BucketAnswer{true, 40, 60, 0}));
  EXPECT_EQ(bucket.take(rules, start_us, 60), (BucketAnswer{false, 40, 60, 20}));
  EXPECT_TRUE(bucket.take(rules, start_us + 20 * second_us, 60).allowed);
  EXPECT_EQ(bucket.take(rules, start_us + 20 * second_us, 0).allowed, true) << "nothing is free";
}

TEST(TokenBucket, ACostOverAFullBucketTakesTheFullBucket) {
  TokenBucket bucket;
  const BucketRules rules{100, 100};
  EXPECT_EQ(bucket.take(rules, start_us, INT64_MAX), (BucketAnswer{true, 0, 100, 0}));
  EXPECT_EQ(bucket.take(rules, start_us, 1'000), (BucketAnswer{false, 0, 100, 100}));
  EXPECT_TRUE(bucket.take(rules, start_us + 100 * second_us, 1'000).allowed);
}

TEST(RateBucket, CountsOnlyRequestsWithoutARuleForTokens) {
  RateBucket bucket;
  const RateRules rules{{2, 10}};
  EXPECT_TRUE(bucket.take(rules, start_us, 1'000'000).allowed);
  EXPECT_TRUE(bucket.take(rules, start_us, 1'000'000).allowed);
  EXPECT_FALSE(bucket.take(rules, start_us, 0).allowed);
  EXPECT_EQ(bucket.debt(rules, start_us), (RateDebt{10 * second_us, 0}));
}

TEST(TokensOfText, CountsFourLettersOfAWordAndEachOtherCharacterAsOne) {
  EXPECT_EQ(tokens_of_text(""), 1);
  EXPECT_EQ(tokens_of_text(" \t\n"), 1);
  EXPECT_EQ(tokens_of_text("four"), 1);
  EXPECT_EQ(tokens_of_text("fives"), 2);
  EXPECT_EQ(tokens_of_text("a b c"), 3);
  EXPECT_EQ(tokens_of_text("Olympus Mons, 21.9 km"), 2 + 1 + 1 + 1 + 1 + 1 + 1);
  EXPECT_EQ(tokens_of_text("!!!!"), 4);
  EXPECT_EQ(tokens_of_text("火山"), 2);
  EXPECT_EQ(tokens_of_text("\xff\x80\x80"), 1) << "bytes that are no UTF-8";
  EXPECT_EQ(tokens_of_text(std::string(1'048'576, 'a')), 262'144);
}

TEST(BucketRules, KnowTheirBounds) {
  EXPECT_TRUE(hundred_an_hour.valid());
  EXPECT_FALSE((BucketRules{0, 10}.valid()));
  EXPECT_FALSE((BucketRules{10, 0}.valid()));
  EXPECT_FALSE((BucketRules{10, 31'536'001}.valid()));
  EXPECT_EQ((BucketRules{1'000'000'000, 1}.token_us()), 1);
  EXPECT_EQ((BucketRules{7, 10}.token_us()), 1'428'571);
}

}  // namespace
}  // namespace memseal::policy
