#pragma once
#include "ports/event_source.hpp"
#include "runtime/condition.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

namespace asio = boost::asio;

/// Hands out batches in order. Without a batch it waits, or ends if `stop_when_empty`.
class EventSource final : public ports::EventSource {
 public:
  explicit EventSource(const asio::any_io_executor& executor) : changed_(executor) {}

  void push(ports::Batch batch) {
    batches.push_back(std::move(batch));
    changed_.notify_all();
  }
  void stop() {
    stopped = true;
    changed_.notify_all();
  }
  /// The partition moves to another process.
  void take_away(const std::string& topic, std::int32_t partition) {
    departed.insert({topic, partition});
    if (left_) left_();
  }

  asio::awaitable<ports::Batch> next() override {
    while (batches.empty() && !stopped && !stop_when_empty) co_await changed_.wait();
    ports::Batch batch;
    if (batches.empty() || stopped) co_return batch;
    batch = std::move(batches.front());
    batches.pop_front();
    ++taken;
    for (const auto& record : batch.records)
      in_flight_[{record.topic, record.partition}][record.offset] = false;
    co_return batch;
  }
  void done(const ports::Batch& batch) override {
    for (const auto& record : batch.records) {
      auto& partition = in_flight_[{record.topic, record.partition}];
      partition.at(record.offset) = true;
      ++records_done;
      for (auto at = partition.begin(); at != partition.end() && at->second;) {
        offsets_done.push_back(at->first);
        at = partition.erase(at);
      }
    }
    if (on_done) on_done(batch);
  }
  void settled(const ports::Batch& batch) override {
    for (const auto& record : batch.records) offsets_settled.push_back(record.offset);
  }
  void confirmed(const ports::Batch& batch) override { done(batch); }
  void dropped(const ports::Batch& batch) override {
    for (const auto& record : batch.records) offsets_dropped.push_back(record.offset);
  }
  bool keeps(const ports::Record& record, std::uint64_t) const override {
    return !departed.contains({record.topic, record.partition});
  }
  void on_departure(std::function<void()> left) override { left_ = std::move(left); }

  std::deque<ports::Batch> batches;
  /// What would be committed, in that order: a record follows all records before it in its
  /// partition.
  std::vector<std::int64_t> offsets_done;
  std::vector<std::int64_t> offsets_settled, offsets_dropped;
  std::function<void(const ports::Batch&)> on_done;
  bool stop_when_empty = true, stopped = false;
  int taken = 0;
  std::size_t records_done = 0;
  std::set<std::pair<std::string, std::int32_t>> departed;

 private:
  runtime::Condition changed_;
  std::map<std::pair<std::string, std::int32_t>, std::map<std::int64_t, bool>> in_flight_;
  std::function<void()> left_;
};

}  // namespace memseal::fakes
