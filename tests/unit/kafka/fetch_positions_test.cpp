#include "adapters/kafka/internal/fetch_positions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace memseal::kafka {
namespace {

using Positions = std::map<Partition, std::int64_t>;

TEST(FetchPositions, AreThoseOfPartitionsWhoseRecordsAllCame) {
  EXPECT_EQ(fetched_up_to(R"({"name":"memseal","brokers":{"b":{"state":"UP"}},"topics":{
      "t":{"topic":"t","partitions":{
        "0":{"partition":0,"fetchq_cnt":0,"next_offset":7,"hi_offset":9},
        "1":{"partition":1,"fetchq_cnt":2,"next_offset":5},
        "2":{"partition":2,"fetchq_cnt":0,"next_offset":-1001},
        "-1":{"partition":-1,"fetchq_cnt":0,"next_offset":0}}},
      "u":{"topic":"u","partitions":{"3":{"partition":3,"fetchq_cnt":0,"next_offset":0}}}}})"),
            (Positions{{{"t", 0}, 7}, {{"u", 3}, 0}}));
}

TEST(FetchPositions, AreUnknownWhereTheStatisticsSayNothingOfThem) {
  for (const auto* text :
       {"", "{", "[]", "{}", R"({"topics":1})", R"({"topics":{"t":1}})",
        R"({"topics":{"t":{"partitions":[]}}})", R"({"topics":{"t":{"partitions":{"0":7}}}})",
        R"({"topics":{"t":{"partitions":{"0":{"partition":0}}}}})",
        R"({"topics":{"t":{"partitions":{"0":{"partition":0,"fetchq_cnt":"0",)"
        R"("next_offset":1}}}}})"})
    EXPECT_TRUE(fetched_up_to(text).empty()) << text;
}

// The source counts every two seconds, and gets statistics every two seconds.
struct Counted {
  std::int64_t once(std::int64_t committed, std::int64_t end, std::int64_t fetched,
                    bool is_idle = true) {
    positions.begin_count();
    const auto behind = positions.behind({"t", 0}, committed, end, is_idle);
    positions.take(R"({"topics":{"t":{"partitions":{"0":{"partition":0,"fetchq_cnt":0,)"
                   R"("next_offset":)" + std::to_string(fetched) + "}}}}}");
    return behind;
  }
  ReadPositions positions;
};

TEST(ReadPositions, AMarkerThatStaysAtTheEndIsNeverBehindAgain) {
  Counted counted;
  EXPECT_EQ(counted.once(7, 8, 8), 1) << "nobody said yet that it is read";
  std::vector<std::int64_t> behind;
  for (int i = 0; i < 12; ++i) behind.push_back(counted.once(7, 8, 8));
  const auto zero = std::find(behind.begin(), behind.end(), 0);
  EXPECT_LE(zero - behind.begin(), 2);
  EXPECT_EQ(std::vector<std::int64_t>(zero, behind.end()),
            std::vector<std::int64_t>(static_cast<std::size_t>(behind.end() - zero), 0));
}

TEST(ReadPositions, WhatComesBehindAMarkerIsBehind) {
  Counted counted;
  for (int i = 0; i < 4; ++i) counted.once(7, 8, 8);
  EXPECT_EQ(counted.once(7, 10, 8), 3) << "not fetched";
  EXPECT_EQ(counted.once(7, 10, 10, false), 3) << "held here";
  EXPECT_EQ(counted.once(7, 10, 10, false), 3);
  EXPECT_EQ(counted.once(10, 10, 10), 0);
}

TEST(ReadPositions, OneStatisticsAloneIsNotBelieved) {
  Counted counted;
  counted.once(7, 8, 7);
  EXPECT_EQ(counted.once(7, 8, 8), 1);
  EXPECT_EQ(counted.once(7, 8, 7), 1) << "once";
  EXPECT_EQ(counted.once(7, 8, 8), 1) << "not in a row";
}

}  // namespace
}  // namespace memseal::kafka
