// Which refused events become dead letters, and when: what cannot be read at once, what failed
// later as fast as the brake allows.
#include "base/on_exit.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/log.hpp"

namespace memseal::ingest {

void Worker::Impl::refuse(Job& job) {
  if (!keeps(job)) return drop({&job});  // The new owner of the partition stores it or refuses it.
  forget_text(job);
  job.place = Place::refused;
  (job.refusal->stage == refused_by_reading ? unreadable_ : given_up_).push(job);
  changed_->notify_all();
}

asio::awaitable<void> Worker::Impl::dead_letter_unreadable() {
  for (;;) {
    Job* job = nullptr;
    while (!(job = unreadable_.take()) && !over()) co_await changed_->wait();
    if (!job) co_return;
    co_await dead_letter_next(unreadable_, *job);
  }
}

asio::awaitable<void> Worker::Impl::dead_letter_given_up() {
  for (;;) {
    Job* job = nullptr;
    while (!(job = braked_ ? nullptr : given_up_.take()) && !over()) co_await changed_->wait();
    if (!job) co_return;
    // Counted before the letter is written, because others are written at the same time.
    note_given_up();
    co_await dead_letter_next(given_up_, *job);
  }
}

asio::awaitable<void> Worker::Impl::dead_letter_next(LetterQueue& from, Job& job) {
  const auto owner = LetterQueue::owner_of(job);
  job.place = Place::busy;
  co_await dead_letter(job, *job.refusal);
  finish({&job});
  from.done(owner);
  changed_->notify_all();
}

asio::awaitable<void> Worker::Impl::watch_brake() {
  for (;;) {
    while (!(braked_ && !given_up_.empty()) && !over()) co_await changed_->wait();
    if (given_up_.empty()) co_return;
    const auto hold = brake_.holds(Clock::now());
    if (hold > Clock::duration::zero()) co_await wait_for_brake(hold);
    braked_ = false;
    if (hold > Clock::duration::zero()) co_await try_again();
    changed_->notify_all();
  }
}

void Worker::Impl::note_given_up() {
  if (!brake_.refused(Clock::now())) return;
  braked_ = true;
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
asio::awaitable<void> Worker::Impl::wait_for_brake(Clock::duration hold) {
  deps_.metrics.brake.Set(1);
  const OnExit released([this] { deps_.metrics.brake.Set(0); });
  co_await runtime::pause_for(hold);
}

// The cause may be gone by now, so that none of the events fails again.
asio::awaitable<void> Worker::Impl::try_again() {
  const auto jobs = given_up_.take_all();
  for (auto* job : jobs) {
    job->place = Place::busy;
    job->refusal.reset();
  }
  co_await open_all(jobs);
  co_await prepare_all(jobs);
  admit(jobs);
}

}  // namespace memseal::ingest
