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

TEST(Assignment, CommitsWhatIsSettledOnlyOnceItIsConfirmed) {
  Assignment ours;
  ours.add({a});
  auto first = record(a, 5), second = record(a, 6);
  first.timestamp_ms = 7'000;
  second.timestamp_ms = 9'000;
  const auto one = take(ours, {first}), two = take(ours, {second});
  ours.settled(one);
  EXPECT_EQ(ours.records_in_flight(), 1u);
  EXPECT_EQ(ours.records_held(), 2u);
  EXPECT_TRUE(ours.done(two).empty()) << "behind one that is not confirmed";
  EXPECT_EQ(ours.bytes_held(), 0u);
  EXPECT_FALSE(ours.in_flight({a}));
  EXPECT_TRUE(ours.unreported({a}));
  EXPECT_EQ(ours.oldest_ms(a), 7'000);
  ports::Batch place{.records = {}, .generation = one.generation};
  place.records.push_back({.topic = a.topic, .partition = a.number, .offset = 5});
  const auto moved = ours.confirmed(place);
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].next, 7);
  EXPECT_FALSE(ours.unreported({a}));
  EXPECT_EQ(ours.records_held(), 0u);
  EXPECT_FALSE(ours.oldest_ms(a));
}

TEST(Assignment, ForgetsWhatIsSettledWithItsPartition) {
  Assignment ours;
  ours.add({a});
  const auto batch = take(ours, {record(a, 5)});
  ours.settled(batch);
  ours.remove({a});
  EXPECT_EQ(ours.records_held(), 0u);
  ours.add({a});
  EXPECT_TRUE(ours.confirmed(batch).empty());
  EXPECT_EQ(ours.committed_of(a), -1);
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

TEST(Assignment, MovesAnOffsetUpToTheFirstRecordThatIsNotDone) {
  Assignment ours;
  ours.add({a, b});
  const auto first = take(ours, {record(a, 5), record(a, 8), record(b, 1)});  // offsets have gaps
  const auto second = take(ours, {record(a, 9), record(a, 12)});
  const auto done = [&](const Partition& partition, std::int64_t offset) {
    const auto moved = ours.done({{record(partition, offset)}, first.generation});
    return moved.empty() ? -1 : moved.at(0).next;
  };
  EXPECT_EQ(done(a, 12), -1);
  EXPECT_EQ(done(a, 8), -1);
  EXPECT_EQ(done(b, 1), 2) << "another partition does not wait";
  EXPECT_EQ(ours.next_of(a), -1);
  EXPECT_TRUE(ours.uncommitted({a}).empty());
  EXPECT_EQ(done(a, 5), 9);
  EXPECT_EQ(done(a, 9), 13);
  EXPECT_FALSE(ours.in_flight({a, b}));
}

TEST(Assignment, HoldsRecordsThatAreDoneBehindOneThatIsNot) {
  Assignment ours;
  ours.add({a});
  take(ours, {record(a, 1), record(a, 2), record(a, 3)});
  ours.done({{record(a, 2), record(a, 3)}, 1});
  EXPECT_EQ(ours.records_in_flight(), 1u);
  EXPECT_EQ(ours.records_held(), 3u) << "a crash repeats them, so they are bounded";
  EXPECT_EQ(ours.bytes_held(), record(a, 1).bytes());
  ours.remove({a});
  EXPECT_EQ(ours.records_held(), 1u) << "the lost record is still in work";
}

TEST(Assignment, ReadsOnBehindARecordThatWaitsLong) {
  Assignment ours({.records = 8, .bytes = 1u << 20, .blocked = 100});
  ours.add({a, b});
  take(ours, {record(a, 0)});
  std::int64_t offset = 1;
  for (; ours.has_room(a); ++offset) ours.done(take(ours, {record(a, offset)}));
  EXPECT_EQ(offset, 101) << "done records take no room of the window, but have a limit";
  EXPECT_TRUE(ours.rests());
  EXPECT_TRUE(ours.has_room(b)) << "the limit is one partition's";
  ours.done({{record(a, 0)}, 1});
  EXPECT_EQ(ours.next_of(a), 101);
  EXPECT_TRUE(ours.may_resume());
  EXPECT_TRUE(ours.has_room(a));
}

TEST(Assignment, GivesEachOfManyPartitionsRoomForOneRecordUpToAWall) {
  const auto bytes = record(a, 0).bytes();
  Assignment ours({.records = 4, .bytes = 2 * bytes, .bytes_wall = 6 * bytes});
  Partitions many;
  for (std::int32_t number = 0; number < 10; ++number) many.push_back({"t", number});
  ours.add(many);
  std::size_t held = 0;
  for (const auto& partition : many)
    if (ours.has_room(partition)) held += take(ours, {record(partition, 0)}).records.size();
  EXPECT_EQ(held, 6u);
  ours.done({{record(many[0], 0)}, 1});
  EXPECT_TRUE(ours.may_resume());
  EXPECT_TRUE(ours.has_room(many[9]));
}

TEST(Assignment, KnowsHowManyBytesATakeMayBring) {
  const auto bytes = record(a, 0).bytes();
  Assignment ours({.records = 100, .bytes = 4 * bytes});
  ours.add({a});
  EXPECT_EQ(ours.bytes_free(), 2 * bytes);
  take(ours, {record(a, 0)});
  EXPECT_EQ(ours.bytes_free(), bytes);
  take(ours, {record(a, 1), record(a, 2)});
  EXPECT_EQ(ours.bytes_free(), 0u);
}

TEST(Assignment, KeepsRoomForEachPartitionWhileOneHasMuchToDo) {
  Assignment ours({.records = 80, .bytes = 1u << 20});
  const Partition c{"t", 2}, d{"t", 3};
  ours.add({a, b, c, d});
  std::int64_t offset = 0;
  while (ours.has_room(a)) take(ours, {record(a, offset++)});
  EXPECT_EQ(offset, 40) << "half of the window is for whoever comes first";
  EXPECT_TRUE(ours.rests());
  for (const auto& partition : {b, c, d}) {
    std::int64_t own = 0;
    while (ours.has_room(partition)) take(ours, {record(partition, own++)});
    EXPECT_EQ(own, 10) << "an equal share of the other half";
  }
  EXPECT_EQ(ours.records_held(), 70u);
}

TEST(Assignment, LetsAPartitionRestUntilHalfOfItsRoomIsFree) {
  Assignment ours({.records = 80, .bytes = 1u << 20});
  ours.add({a, b});
  std::int64_t offset = 0, done = 0;
  while (ours.has_room(a)) take(ours, {record(a, offset++)});
  EXPECT_EQ(offset, 40);
  const auto finish = [&] { ours.done({{record(a, done++)}, 1}); };
  for (int i = 0; i < 20; ++i) finish();
  EXPECT_FALSE(ours.may_resume());
  EXPECT_FALSE(ours.has_room(a));
  finish();
  EXPECT_TRUE(ours.may_resume());
  EXPECT_TRUE(ours.has_room(a));
  EXPECT_FALSE(ours.rests());
}

TEST(Assignment, TakesOneRecordOfAnySize) {
  Assignment ours({.records = 1, .bytes = 1});
  ours.add({a, b});
  EXPECT_TRUE(ours.has_room(a));
  take(ours, {record(a, 1)});
  EXPECT_FALSE(ours.has_room(a));
  EXPECT_TRUE(ours.has_room(b));
}

TEST(Assignment, CountsWhatIsBufferedToo) {
  Assignment ours({.records = 8, .bytes = 1u << 20});
  ours.add({a});
  for (int i = 0; i < 8; ++i) ours.buffered(record(a, i));
  EXPECT_FALSE(ours.has_room(a));
  for (int i = 0; i < 8; ++i) ours.unbuffered(record(a, i));
  EXPECT_EQ(ours.records_held(), 0u);
  EXPECT_EQ(ours.bytes_held(), 0u);
  EXPECT_TRUE(ours.has_room(a));
}

TEST(Assignment, NeverPassesARecordThatWasDropped) {
  Assignment ours;
  ours.add({a});
  const auto batch = take(ours, {record(a, 1), record(a, 2), record(a, 3)});
  EXPECT_TRUE(ours.keeps(record(a, 2), batch.generation));
  ours.close({a});
  EXPECT_FALSE(ours.keeps(record(a, 2), batch.generation));
  ours.dropped({{record(a, 2)}, batch.generation});
  EXPECT_TRUE(ours.in_flight({a}));
  ours.done({{record(a, 3)}, batch.generation});
  EXPECT_EQ(ours.done({{record(a, 1)}, batch.generation}).at(0).next, 2);
  EXPECT_FALSE(ours.in_flight({a})) << "the partition may leave";
  EXPECT_EQ(ours.uncommitted().at(0).next, 2);
}

TEST(Assignment, KeepsNoRecordOfAnEarlierAssignment) {
  Assignment ours;
  ours.add({a});
  const auto batch = take(ours, {record(a, 1)});
  ours.remove({a});
  EXPECT_FALSE(ours.keeps(record(a, 1), batch.generation));
  ours.add({a});
  EXPECT_FALSE(ours.keeps(record(a, 1), batch.generation));
  ours.dropped(batch);
  EXPECT_EQ(ours.records_held(), 0u);
}

}  // namespace
}  // namespace memseal::kafka
