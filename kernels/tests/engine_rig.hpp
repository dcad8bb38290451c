#pragma once
// A small model on a host device, and what tests of the engine need around it.
#include "bert_reference.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

namespace memseal::kernels {

using namespace std::chrono_literals;

inline Shape small() {
  auto shape = tiny_shape(true, 1, 32);
  shape.layers = 1;
  shape.vocabulary = 40;
  shape.positions = 64;
  return shape;
}

inline EngineOptions options(std::size_t lanes = 2) {
  EngineOptions with;
  with.lanes = lanes;
  with.batch_tokens = 256;
  with.sequences_max = 16;
  with.warm = false;
  with.patience_ms = 60'000;
  return with;
}

/// Holds a device's work back until it is released.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(guard_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(guard_);
    open_ = true;
    changed_.notify_all();
  }
  void until_somebody_waits() {
    std::unique_lock lock(guard_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex guard_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

struct Answer {
  std::promise<std::vector<float>> promise;
  std::future<std::vector<float>> future = promise.get_future();
  std::atomic<int> heard = 0;

  Request::Done done() {
    return [this](std::vector<float> values, std::exception_ptr failure) {
      if (++heard > 1) return;
      if (failure)
        promise.set_exception(failure);
      else
        promise.set_value(std::move(values));
    };
  }
};

inline void submit(Engine& engine, const Batch& batch, Answer& answer, bool urgent = false,
                   std::function<bool()> wanted = {}) {
  Request request;
  request.batch = batch;
  request.done = answer.done();
  request.urgent = urgent;
  request.wanted = std::move(wanted);
  engine.submit(std::move(request));
}

class EngineTest : public testing::Test {
 protected:
  Shape shape = small();
  RandomBert bert{shape};
  Random random{3};
  std::shared_ptr<HostDevice> device = std::make_shared<HostDevice>();

  Batch draw(std::vector<std::size_t> lengths) { return draw_batch(random, shape, lengths); }
  void expect_right(const Batch& batch, const std::vector<float>& got) {
    const auto wanted = bert.run(batch);
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], 0.02);
  }
};

}  // namespace memseal::kernels
