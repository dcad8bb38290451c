// Which refused events become dead letters, and when: what cannot be read at once, what failed
// later as fast as the brake allows.
#include "base/on_exit.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/log.hpp"

namespace memseal::ingest {

void Worker::Impl::refuse(Job& job) {
  job.place = Place::refused;
  (job.refusal->stage == refused_by_reading ? unreadable_ : given_up_).push_back(&job);
  changed_->notify_all();
}

asio::awaitable<void> Worker::Impl::dead_letter_unreadable() {
  for (;;) {
    while (unreadable_.empty() && !over()) co_await changed_->wait();
    if (unreadable_.empty()) co_return;
    co_await dead_letter_first(unreadable_);
  }
}

asio::awaitable<void> Worker::Impl::dead_letter_given_up() {
  for (;;) {
    while (given_up_.empty() && !over()) co_await changed_->wait();
    if (given_up_.empty()) co_return;
    if (brake_.holds(Clock::now()) == Clock::duration::zero()) {
      co_await dead_letter_first(given_up_);
    } else {
      co_await wait_for_brake();
      co_await try_again();
    }
  }
}

asio::awaitable<void> Worker::Impl::dead_letter_first(std::deque<Job*>& from) {
  auto& job = *from.front();
  from.pop_front();
  job.place = Place::busy;
  const bool counts = job.refusal->stage != refused_by_reading;
  co_await dead_letter(job, *job.refusal);
  if (counts && job.outcome == Outcome::dead_lettered) note_given_up();
  finish({&job});
}

void Worker::Impl::note_given_up() {
  if (!brake_.refused(Clock::now())) return;
  deps_.metrics.brakes.Increment();
  runtime::log(
      runtime::LogLevel::error, "ingest.brake",
      {{"cause", "too many events are dead-lettered: see ingest.dead_lettered"},
       {"dead_lettered", brake_.refused_in_window()},
       {"stored", brake_.stored_in_window()},
       {"hold_s",
        std::chrono::duration_cast<std::chrono::seconds>(brake_.holds(Clock::now())).count()}});
}

// All other events go on meanwhile.
asio::awaitable<void> Worker::Impl::wait_for_brake() {
  const auto hold = brake_.holds(Clock::now());
  if (hold == Clock::duration::zero()) co_return;
  deps_.metrics.brake.Set(1);
  const OnExit released([this] { deps_.metrics.brake.Set(0); });
  co_await runtime::pause_for(hold);
}

// The cause may be gone by now, so that none of the events fails again.
asio::awaitable<void> Worker::Impl::try_again() {
  const Jobs jobs(given_up_.begin(), given_up_.end());
  given_up_.clear();
  for (auto* job : jobs) {
    job->place = Place::busy;
    job->refusal.reset();
  }
  co_await prepare_all(jobs);
  admit(jobs);
}

}  // namespace memseal::ingest
