#include "pure/policy/fair_queue.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::policy {
namespace {

using Queue = FairQueue<std::string, std::string>;
using Pieces = std::vector<std::string>;

void fill(Queue& queue, std::size_t rank, const std::string& owner, int count, std::size_t cost) {
  for (int i = 0; i < count; ++i) queue.push(rank, owner, owner + std::to_string(i), cost);
}

std::size_t count_of(const Pieces& pieces, char owner) {
  const auto is_of_owner = [&](const std::string& piece) { return piece[0] == owner; };
  return static_cast<std::size_t>(std::count_if(pieces.begin(), pieces.end(), is_of_owner));
}

TEST(FairQueue, TakesTheWorkOfOneOwnerInItsOrder) {
  Queue queue(10);
  fill(queue, 0, "a", 4, 10);
  EXPECT_EQ(queue.take(30, 100), (Pieces{"a0", "a1", "a2"}));
  EXPECT_EQ(queue.take(30, 100), (Pieces{"a3"}));
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.take(30, 100).empty());
}

TEST(FairQueue, GivesEachOwnerTheSameCostHoweverMuchItQueues) {
  Queue queue(10);
  fill(queue, 0, "a", 1'000, 10);
  fill(queue, 0, "b", 10, 10);
  const auto taken = queue.take(200, 100);
  EXPECT_EQ(count_of(taken, 'b'), 10u);
  EXPECT_EQ(count_of(taken, 'a'), 10u);
}

TEST(FairQueue, GivesEachOwnerTheSameCostWhateverItsPiecesCost) {
  Queue queue(10);
  fill(queue, 0, "a", 1'000, 10);
  fill(queue, 0, "b", 1'000, 1);
  fill(queue, 0, "c", 1'000, 3);
  std::map<char, std::size_t> cost;
  for (int take = 0; take < 30; ++take)
    for (const auto& piece : queue.take(35, 1'000))
      cost[piece[0]] += piece[0] == 'a' ? 10 : piece[0] == 'b' ? 1 : 3;
  EXPECT_NEAR(static_cast<double>(cost['a']), static_cast<double>(cost['b']), 20);
  EXPECT_NEAR(static_cast<double>(cost['a']), static_cast<double>(cost['c']), 20);
}

TEST(FairQueue, LetsAnOwnerWhoComesLateWaitForOneRound) {
  Queue queue(10);
  for (const char* owner : {"a", "b", "c"}) fill(queue, 0, owner, 100, 10);
  queue.take(10, 100);
  queue.push(0, "z", "z0", 10);
  int takes = 0;
  while (count_of(queue.take(10, 100), 'z') == 0) ++takes;
  EXPECT_LE(takes, 3);
}

TEST(FairQueue, ServesTheFirstRankFirstAndLeavesAQuarterToEachOther) {
  Queue queue(10);
  fill(queue, 2, "u", 100, 10);
  fill(queue, 1, "i", 100, 10);
  fill(queue, 0, "c", 100, 10);
  const auto taken = queue.take(400, 100);
  EXPECT_EQ(taken.front(), "c0");
  EXPECT_EQ(count_of(taken, 'c'), 20u);
  EXPECT_EQ(count_of(taken, 'i'), 10u);
  EXPECT_EQ(count_of(taken, 'u'), 10u);
}

TEST(FairQueue, GivesTheOnlyOwnerOfALaterRankNoMoreThanEachOfManyEarlierOnes) {
  Queue queue(10);
  for (char owner = 'a'; owner < 'a' + 9; ++owner) fill(queue, 0, std::string(1, owner), 500, 10);
  fill(queue, 2, "z", 500, 10);
  Pieces all;
  for (int i = 0; i < 100; ++i) {
    const auto taken = queue.take(40, 100);
    EXPECT_EQ(taken.size(), 4u) << "what a rank saves is lent to the others";
    all.insert(all.end(), taken.begin(), taken.end());
  }
  EXPECT_NEAR(static_cast<double>(count_of(all, 'z')), 40, 2) << "a tenth: it is not starved";
  EXPECT_NEAR(static_cast<double>(count_of(all, 'a')), 40, 2);
}

TEST(FairQueue, LimitsTheNumberOfPiecesInTheSameWay) {
  Queue queue(10);
  fill(queue, 2, "u", 100, 1);
  fill(queue, 0, "c", 100, 1);
  const auto taken = queue.take(1'000'000, 40);
  EXPECT_EQ(count_of(taken, 'c'), 30u);
  EXPECT_EQ(count_of(taken, 'u'), 10u);
}

TEST(FairQueue, GivesLaterRanksWhatUrgentWorkLeaves) {
  Queue queue(10);
  fill(queue, 2, "u", 1'000, 10);
  queue.push(0, "c", "c0", 10);
  const auto taken = queue.take(400, 1'000);
  EXPECT_EQ(taken.front(), "c0");
  EXPECT_EQ(taken.size(), 40u) << "a take is full while there is work";
  EXPECT_EQ(queue.take(400, 1'000).size(), 40u) << "alone, the last rank gets everything";
}

TEST(FairQueue, LeavesTheLastRankItsQuarterWhateverTheOthersLeave) {
  Queue queue(10);
  fill(queue, 0, "c", 10, 10);
  fill(queue, 1, "i", 1'000, 10);
  fill(queue, 2, "u", 1'000, 10);
  const auto taken = queue.take(400, 1'000);
  EXPECT_EQ(count_of(taken, 'c'), 10u);
  EXPECT_EQ(count_of(taken, 'i'), 20u);
  EXPECT_EQ(count_of(taken, 'u'), 10u);
}

TEST(FairQueue, TakesAPieceThatCostsMoreThanATake) {
  Queue queue(10);
  fill(queue, 0, "a", 2, 500);
  EXPECT_EQ(queue.take(20, 100), Pieces{"a0"});
  EXPECT_EQ(queue.take(20, 100), Pieces{"a1"});
}

TEST(FairQueue, DoesNotLetAnIdleOwnerSaveUp) {
  Queue queue(10);
  for (int round = 0; round < 50; ++round) {
    queue.push(0, "a", "a", 1);  // leaves 9 of its credit
    queue.take(100, 100);
  }
  fill(queue, 0, "a", 100, 10);
  fill(queue, 0, "b", 100, 10);
  EXPECT_EQ(count_of(queue.take(100, 100), 'b'), 5u);
}

TEST(FairQueue, ErasesThePiecesOfOneOwner) {
  Queue queue(10);
  fill(queue, 0, "a", 3, 10);
  fill(queue, 1, "a", 1, 10);
  fill(queue, 0, "b", 2, 10);
  queue.erase_if("a", [](const std::string& piece) { return piece != "a1"; });
  EXPECT_EQ(queue.size(), 3u);
  queue.erase_if("a", [](const std::string&) { return true; });
  EXPECT_EQ(queue.take(100, 100), (Pieces{"b0", "b1"}));
  EXPECT_TRUE(queue.empty());
}

// A queue is neither lost nor served twice when it empties and fills again.
TEST(FairQueue, KeepsEveryPieceOverManyTakes) {
  Queue queue(7);
  std::size_t pushed = 0, taken = 0;
  for (int step = 0; step < 3'000; ++step) {
    const std::string owner(1, static_cast<char>('a' + step * 7 % 11));
    const auto number = static_cast<std::size_t>(step);
    queue.push(number % 3, owner, owner, number % 9);
    ++pushed;
    if (step % 4 == 0) taken += queue.take(20, 6).size();
  }
  EXPECT_EQ(queue.size(), pushed - taken);
  while (!queue.empty()) taken += queue.take(20, 6).size();
  EXPECT_EQ(taken, pushed);
}

}  // namespace
}  // namespace memseal::policy
