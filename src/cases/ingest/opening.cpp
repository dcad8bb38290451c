// Sealed events are opened before anything reads them.
#include "cases/ingest/internal/worker_impl.hpp"
#include "cases/ingest/sealed_event.hpp"

#include <utility>

namespace memseal::ingest {

namespace {

/// What is known of an event that cannot be opened: where it lies. Its letter is nobody's, because
/// whoever may write to the topic may claim any tenant.
std::shared_ptr<const Prepared> unopened(const WorkerDeps& deps, const ports::Record& record) {
  auto prepared = std::make_shared<Prepared>();
  prepared->event_id = deps.ids.event_id(
      nobody(deps.keyer), "kafka",
      record.topic + "/" + std::to_string(record.partition) + "/" + std::to_string(record.offset));
  return prepared;
}

}  // namespace

asio::awaitable<void> Worker::Impl::open_all(Jobs jobs) {
  std::erase_if(jobs, [](const Job* job) { return job->prepared || !says_sealed(*job->record); });
  const auto step = [&](std::size_t first, std::size_t count) {
    return open_once(Jobs(jobs.begin() + static_cast<std::ptrdiff_t>(first),
                          jobs.begin() + static_cast<std::ptrdiff_t>(first + count)));
  };
  const auto give_up = [&](std::size_t at, const Error& why) {
    jobs[at]->refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
  };
  // One at a time, because the keys are cached and each event is opened by itself.
  if (!jobs.empty()) co_await steps_.over(Stage::prepare, jobs.size(), 1, step, give_up);
}

asio::awaitable<void> Worker::Impl::open_once(Jobs jobs) {
  for (auto* job : jobs) co_await open_sealed(*job);
}

asio::awaitable<void> Worker::Impl::open_sealed(Job& job) {
  const auto what = read_sealed_event(*job.record);
  std::optional<Error> fault;
  bool erased = false;
  if (what) {
    const auto owner = deps_.keyer.tenant_of_hash(what->owner);
    ports::TenantKeyPtr key;
    try {
      key = co_await deps_.keys.opening_key(context(options_->store_timeout), owner, what->key_id);
    } catch (const Refused& refused) {
      if (refused.error().code != Errc::tenant_erased) throw;
      erased = true;
    }
    if (key) {
      auto opened = open_event(owner, *key, *what, *job.record);
      if (opened) {
        *job.record = std::move(*opened);
        co_return;
      }
    }
  }
  job.prepared = unopened(deps_, *job.record);
  // Its text cannot be read any more, by anybody: that is what an erasure is for.
  if (erased) co_return settled(job, Outcome::erased);
  job.refusal = Refusal{{Errc::open_failed,
                         "the sealed event does not open: it was changed or copied from elsewhere, "
                         "or the key store lacks its tenant's key"},
                        refused_by_reading,
                        1};
}

}  // namespace memseal::ingest
