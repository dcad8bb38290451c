#include "adapters/kafka/internal/assignment.hpp"

#include <gtest/gtest.h>

namespace memseal::kafka {
namespace {

const Partition a{"t", 0}, b{"t", 1};

ports::Record record(const Partition& partition, std::int64_t offset) {
  return {.topic = partition.topic, .partition = partition.number, .offset = offset,
          .key = "k", .value = "value"};
}

ports::Batch take(Assignment& assignment, std::vector<ports::Record> records) {
  ports::Batch batch{std::move(records), assignment.generation()};
  assignment.taken(batch);
  return batch;
}

TEST(Assignment, KnowsTheOffsetAfterTheLastFinishedRecord) {
  Assignment ours;
  ours.add({a, b});
  const auto batch = take(ours, {record(a, 5), record(b, 9), record(a, 6)});
  EXPECT_TRUE(ours.uncommitted().empty());
  const auto moved = ours.done(batch);
  ASSERT_EQ(moved.size(), 2u);
  EXPECT_EQ(moved[0].next, 7);
  EXPECT_EQ(moved[1].next, 10);
  EXPECT_EQ(ours.uncommitted().size(), 2u);
  ours.committed(moved);
  EXPECT_TRUE(ours.uncommitted().empty());
}

TEST(Assignment, DropsOffsetsOfALostPartitionButKeepsItsNeighbours) {
  Assignment ours;
  ours.add({a, b});
  const auto batch = take(ours, {record(a, 5), record(b, 9)});
  ours.remove({a});
  const auto moved = ours.done(batch);
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].partition, b);
}

TEST(Assignment, DropsOffsetsOfAPartitionThatLeftAndCameBack) {
  Assignment ours;
  ours.add({a});
  const auto stale = take(ours, {record(a, 5)});
  ours.remove({a});
  ours.add({a});
  EXPECT_TRUE(ours.done(stale).empty());
  EXPECT_TRUE(ours.uncommitted().empty());
  EXPECT_FALSE(ours.in_flight({a})) << "the stale batch is not the new assignment's";
  EXPECT_EQ(ours.records_in_flight(), 0u);
}

TEST(Assignment, KeepsOffsetsOfARetainedPartitionAcrossAnotherAssignment) {
  Assignment ours;
  ours.add({a});
  const auto batch = take(ours, {record(a, 5)});
  ours.add({b});
  EXPECT_EQ(ours.done(batch).size(), 1u);
  EXPECT_EQ(ours.next_of(a), 6);
}

TEST(Assignment, RefusesRecordsOfAPartitionThatIsBeingGivenUp) {
  Assignment ours;
  ours.add({a, b});
  const auto batch = take(ours, {record(a, 1)});
  ours.close({a});
  EXPECT_FALSE(ours.accepts(a));
  EXPECT_TRUE(ours.accepts(b));
  EXPECT_TRUE(ours.in_flight({a}));
  EXPECT_EQ(ours.done(batch).size(), 1u) << "what was in flight still counts";
  EXPECT_FALSE(ours.in_flight({a}));
  EXPECT_EQ(ours.uncommitted({a}).size(), 1u);
  EXPECT_TRUE(ours.uncommitted({b}).empty());
}

TEST(Assignment, OwesACommitAgainAfterFurtherRecords) {
  Assignment ours;
  ours.add({a});
  ours.committed(ours.done(take(ours, {record(a, 5)})));
  ours.done(take(ours, {record(a, 6)}));
  ASSERT_EQ(ours.uncommitted().size(), 1u);
  EXPECT_EQ(ours.uncommitted()[0].next, 7);
  std::vector<Offset> late;
  late.push_back({a, 6});
  ours.committed(late);
  EXPECT_EQ(ours.uncommitted().size(), 1u) << "an older commit does not cover it";
}

TEST(Assignment, CountsWhatIsInFlight) {
  Assignment ours;
  ours.add({a});
  const auto batch = take(ours, {record(a, 1), record(a, 2)});
  EXPECT_EQ(ours.records_in_flight(), 2u);
  EXPECT_EQ(ours.bytes_in_flight(), 2 * record(a, 1).bytes());
  ours.done(batch);
  EXPECT_EQ(ours.bytes_in_flight(), 0u);
}

}  // namespace
}  // namespace memseal::kafka
