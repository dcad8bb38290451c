#include "adapters/model/schedule/parallel.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>

namespace memseal::model {

namespace {

struct Share {
  std::function<bool(std::size_t)> work;
  std::size_t count;

  std::mutex guard;
  std::condition_variable idle;
  std::size_t next = 0, running = 0;
  bool ended = false;  // A call returned false or threw: no call is started any more.
  std::exception_ptr failure;

  /// `should_leave`: whether to leave the rest to others, asked between two calls.
  void run_worker(const std::function<bool()>& should_leave) {
    std::unique_lock lock(guard);
    while (!ended && next < count) {
      const auto number = next++;
      ++running;
      // The work runs without the lock; `running` says that this thread is inside it.
      lock.unlock();
      bool should_continue = false;
      std::exception_ptr thrown;
      try {
        should_continue = work(number);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      --running;
      if (!should_continue) ended = true;
      if (thrown && !failure) failure = thrown;
      if (should_leave()) break;
    }
    // Also from a thread that found nothing to do, which wakes the caller once too often and harms
    // nothing.
    if (running == 0) idle.notify_all();
  }
};

}  // namespace

bool run_in_parallel(PriorityPool& pool, Urgency urgency, std::size_t count,
                     std::function<bool(std::size_t)> work) {
  const auto share = std::make_shared<Share>();
  share->work = std::move(work);
  share->count = count;
  for (std::size_t helper = 1; helper < std::min(count, pool.threads()); ++helper)
    pool.post(urgency, [share, &pool, urgency] {
      share->run_worker([&pool, urgency] { return pool.is_crowded(urgency); });
    });
  // This thread works too, so the call ends even when no pool thread is ever free.
  share->run_worker([] { return false; });
  std::unique_lock lock(share->guard);
  // For calls that have begun, not for helpers that have not: those own `share` and do nothing when
  // they start.
  share->idle.wait(lock, [&] { return share->running == 0; });
  if (share->failure) std::rethrow_exception(share->failure);
  return !share->ended;
}

}  // namespace memseal::model
