#include "adapters/kafka/internal/fetch_positions.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace memseal::kafka
