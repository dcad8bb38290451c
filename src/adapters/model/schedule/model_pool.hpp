#pragma once
#include "adapters/model/schedule/priority_pool.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstddef>

namespace memseal::model {

/// The threads that compute models, and the order of their work. The models that share the threads
/// share one of these, because urgency is compared within a pool only.
/// Lifetime: outlives the models that are opened with it.
class ModelPool {
 public:
  explicit ModelPool(std::size_t threads) : threads_(threads), tasks_(threads_) {}
  /// Ends the threads first, because they still run tasks. Tasks that did not start are dropped.
  ~ModelPool() {
    threads_.stop();
    threads_.join();
  }
  ModelPool(const ModelPool&) = delete;
  ModelPool& operator=(const ModelPool&) = delete;

  /// For work without urgency: it takes its turn as the threads become free.
  asio::thread_pool& threads() noexcept { return threads_; }
  PriorityPool& tasks() noexcept { return tasks_; }
  /// Waits until all work is done. No work may be added afterwards.
  void join() { threads_.join(); }

 private:
  asio::thread_pool threads_;
  PriorityPool tasks_;
};

}  // namespace memseal::model
