#pragma once
#include "ports/event_source.hpp"
#include "runtime/condition.hpp"

#include <cstdint>
#include <deque>
#include <functional>
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

  asio::awaitable<ports::Batch> next() override {
    while (batches.empty() && !stopped && !stop_when_empty) co_await changed_.wait();
    ports::Batch batch;
    if (batches.empty() || stopped) co_return batch;
    batch = std::move(batches.front());
    batches.pop_front();
    ++taken;
    co_return batch;
  }
  void done(const ports::Batch& batch) override {
    for (const auto& record : batch.records) offsets_done.push_back(record.offset);
    if (on_done) on_done(batch);
  }

  std::deque<ports::Batch> batches;
  std::vector<std::int64_t> offsets_done;
  std::function<void(const ports::Batch&)> on_done;
  bool stop_when_empty = true, stopped = false;
  int taken = 0;

 private:
  runtime::Condition changed_;
};

}  // namespace memseal::fakes
