#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

namespace memseal::runtime {

namespace asio = boost::asio;

/// Processors this process may use; at least one.
inline std::size_t core_count() noexcept {
  return std::max(1u, std::thread::hardware_concurrency());
}

/// N single-threaded io_contexts. Loop 0 runs on the caller's thread, each other loop on its own
/// thread. Coroutines of one loop need no mutex, because they never run at the same time.
class Loops {
 public:
  explicit Loops(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      contexts_.push_back(std::make_unique<asio::io_context>(1));
      if (i > 0) guards_.emplace_back(contexts_.back()->get_executor());
    }
  }
  ~Loops() { finish(); }
  Loops(const Loops&) = delete;
  Loops& operator=(const Loops&) = delete;

  std::size_t size() const noexcept { return contexts_.size(); }
  asio::io_context& operator[](std::size_t index) { return *contexts_[index]; }

  /// Runs every loop until loop 0 has no work left, then calls finish().
  void run() {
    for (std::size_t i = 1; i < contexts_.size(); ++i)
      threads_.emplace_back([context = contexts_[i].get()] { context->run(); });
    contexts_[0]->run();
    finish();
  }

  /// Lets the other loops end as soon as their work has ended, and waits for their threads.
  /// Thread: that of loop 0.
  void finish() {
    guards_.clear();
    threads_.clear();  // joins
  }

 private:
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
  std::vector<std::jthread> threads_;
};

}  // namespace memseal::runtime
