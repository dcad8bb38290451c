// Publishes what became of each event. The event has taken effect by then, so that nothing but the
// offset of its record waits.
#include "base/on_exit.hpp"
#include "cases/ingest/internal/status.hpp"
#include "cases/ingest/internal/worker_impl.hpp"

namespace memseal::ingest {

namespace {

// Status events being published at the same time. Each may wait as long as a partition of the
// status topic has no leader.
constexpr std::size_t tellers_max = 128;

}  // namespace

ports::OutRecord Worker::Impl::status_of(const Job& job) const {
  const auto took = Clock::now() - job.taken;
  const Status status{
      .outcome = *job.outcome,
      .why = job.refusal ? job.refusal->why : Error{},
      .duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
      .now_ms = deps_.now_ms(),
      .place = {.topic = job.record->topic,
                .partition = job.record->partition,
                .offset = job.record->offset}};
  return status_record(*job.prepared, status);
}

void Worker::Impl::tell(const Jobs& jobs) {
  Jobs told, silent;
  for (auto* job : jobs)  // What is ignored is no event, so nobody waits for it.
    (job->outcome == Outcome::ignored ? silent : told).push_back(job);
  for (const auto* job : told) {
    const auto& record = *job->record;
    telling_.push_back({status_of(*job),
                        {.topic = record.topic,
                         .partition = record.partition,
                         .offset = record.offset},
                        job->generation});
  }
  untold_ += told.size();
  deps_.metrics.status_waiting.Increment(static_cast<double>(told.size()));
  give_back(told, &ports::EventSource::settled);
  give_back(silent, &ports::EventSource::done);
  // One for each event, because those that run already may all wait for a partition that is away.
  for (auto more = told.size(); more > 0 && tellers_ < tellers_max; --more, ++tellers_)
    tasks_->spawn(tell_statuses());
}

asio::awaitable<void> Worker::Impl::tell_statuses() {
  const OnExit gone([this] { --tellers_; });
  while (!telling_.empty()) {
    auto one = std::move(telling_.front());
    telling_.pop_front();
    const OnExit told([this] {
      deps_.metrics.status_waiting.Decrement();
      if (untold_-- == options_->status_waiting_max) changed_->notify_all();
    });
    co_await tell(one);
    if (one.left) continue;
    ports::Batch batch{.records = {}, .generation = one.generation};
    batch.records.push_back(std::move(one.place));
    deps_.source.confirmed(batch);
  }
}

asio::awaitable<void> Worker::Impl::tell(Telling& one) {
  try {
    co_await steps_.until_done(Stage::status, [&] { return publish_status(one); });
  } catch (const Refused&) {
    deps_.metrics.status_lost.Increment();  // It never will be published. The rows are stored.
  }
}

asio::awaitable<void> Worker::Impl::publish_status(Telling& one) {
  // The partition waits a moment for the first try. After that another process reads the record
  // again, and tells what became of it.
  one.left = one.tries++ > 0 && !deps_.source.keeps(one.place, one.generation);
  if (one.left) co_return;
  auto status = one.status;
  co_await deps_.sink.publish(context(options_->publish_timeout), std::move(status));
}

}  // namespace memseal::ingest
