// What happens to an event that cannot be ingested, and the status events of all events.
#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/internal/status.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/log.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>

namespace memseal::ingest {

namespace {

ports::OutRecord letter_for(const ports::Record& record, const Prepared& event,
                            const Refusal& refusal) {
  ports::OutRecord letter{.channel = ports::Channel::dead_letter,
                          .key = {},
                          .value = {},
                          .headers = {},
                          .source_topic = record.topic};
  if (event.tenant) letter.key = event.tenant->hash().to_hex();  // Never the user id itself.
  const auto add = [&](const char* name, std::string value) {
    letter.headers.emplace_back(name, std::move(value));
  };
  add("memseal-error-code", std::string(errc_name(refusal.why.code)));
  add("memseal-error-message", refusal.why.message);
  add("memseal-error-stage", std::string(refusal.stage));
  add("memseal-error-attempts", std::to_string(refusal.attempts));
  add("memseal-original-topic", record.topic);
  add("memseal-original-partition", std::to_string(record.partition));
  add("memseal-original-offset", std::to_string(record.offset));
  add("memseal-original-timestamp", std::to_string(record.timestamp_ms));
  add("memseal-event-id", event.event_id.to_string());
  return letter;
}

}  // namespace

asio::awaitable<void> Worker::Impl::dead_letter(Job& job, Refusal refusal) {
  const auto& why = refusal.why;
  if (!job.prepared) {
    // Not even reading it went well: all that is known is where it lies.
    auto unread = std::make_shared<Prepared>();
    unread->event_id = deps_.ids.event_id(
        nobody(deps_.keyer), "kafka",
        job.record->topic + "/" + std::to_string(job.record->partition) + "/" +
            std::to_string(job.record->offset));
    job.prepared = std::move(unread);
  }
  auto letter = letter_for(*job.record, *job.prepared, refusal);
  job.error = why.code;
  const bool owned = co_await seal_letter(job, letter);
  if (!owned) {
    settled(job, Outcome::erased);
    co_return;
  }
  co_await publish_until_confirmed(std::move(letter));
  if (job.prepared->tenant && job.prepared->identified) co_await record_failure(job);
  deps_.metrics.dead_letters(why.code).Increment();
  runtime::log(runtime::LogLevel::warn, "ingest.dead_lettered",
               {{"code", errc_name(why.code)},
                {"stage", refusal.stage},
                {"attempts", refusal.attempts},
                {"topic", job.record->topic},
                {"partition", job.record->partition},
                {"offset", job.record->offset}});
  settled(job, Outcome::dead_lettered);
}

asio::awaitable<void> Worker::Impl::fetch_key(crypto::Tenant owner, ports::TenantKeyPtr& key) {
  key = co_await deps_.keys.sealing_key(context(options_->store_timeout), owner);
}

// False when the tenant is erased: then nothing of it may be kept, sealed or not.
asio::awaitable<bool> Worker::Impl::seal_letter(const Job& job, ports::OutRecord& letter) {
  const auto& event = *job.prepared;
  ports::TenantKeyPtr key;
  if (event.tenant) {
    try {
      co_await steps_.until_done(Stage::seal, [&] { return fetch_key(*event.tenant, key); });
    } catch (const Refused& refused) {
      if (refused.error().code == Errc::tenant_erased) co_return false;
      if (errc_row(refused.error().code).setup()) throw;
      key = nullptr;  // This tenant's key does not open: the keyring's own takes its place.
    }
  }
  auto sealed = key ? seal_dead_letter(*event.tenant, *key, event.event_id, *job.record)
                    : seal_dead_letter(nobody(deps_.keyer), deps_.dead_letter_key,
                                       event.event_id, *job.record);
  letter.headers.emplace_back("memseal-sealed-for", key ? "tenant" : "nobody");
  if (sealed)
    letter.value = std::move(*sealed);
  else
    letter.headers.emplace_back("memseal-value-omitted",
                                std::string(errc_name(sealed.error().code)));
  co_return true;
}

asio::awaitable<void> Worker::Impl::publish_until_confirmed(ports::OutRecord letter) {
  bool too_large = false;
  try {
    co_await steps_.until_done(Stage::dead_letter, [&] { return publish_letter(letter); });
  } catch (const Refused& refused) {
    if (refused.error().code != Errc::payload_too_large) throw;
    too_large = true;
  }
  if (!too_large) co_return;
  // The original stays where its coordinates say, for as long as that topic keeps it.
  letter.value.clear();
  letter.headers.emplace_back("memseal-value-omitted", errc_name(Errc::payload_too_large));
  co_await steps_.until_done(Stage::dead_letter, [&] { return publish_letter(letter); });
}

asio::awaitable<void> Worker::Impl::publish_letter(ports::OutRecord letter) {
  co_await deps_.sink.publish(context(options_->letter_timeout), std::move(letter));
}

asio::awaitable<void> Worker::Impl::record_failure_once(const Job& job) {
  const auto& event = *job.prepared;
  auto limits = context(options_->store_timeout);
  std::optional<DocId> doc_id;
  if (event.document) doc_id = event.document->doc_id;
  co_await deps_.store.store_failure(std::move(limits), *event.tenant, event.event_id,
                                      event.origin.value_or(Origin::upload), std::move(doc_id),
                                      job.error);
}

asio::awaitable<void> Worker::Impl::record_failure(const Job& job) {
  try {
    co_await steps_.until_done(Stage::store, [&] { return record_failure_once(job); });
  } catch (const Refused& refused) {
    // Also for a fault of the set-up: the letter is safe, and ending here would publish the letter
    // again after each restart. Only the operation's state is not recorded.
    runtime::log(runtime::LogLevel::warn, "ingest.failure_not_recorded",
                 {{"code", errc_name(refused.error().code)}});
  }
}

asio::awaitable<void> Worker::Impl::publish_statuses(const Jobs& jobs) {
  runtime::TaskGroup telling(co_await asio::this_coro::executor);
  for (const auto* job : jobs) {
    const Status status{
        .outcome = *job->outcome,
        .error = job->error,
        .duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() -
                                                                             job->taken).count(),
        .now_ms = deps_.now_ms()};
    telling.spawn(publish_status(status_record(*job->prepared, status)));
  }
  co_await telling.join();
  co_await throw_if_cancelled();
}

asio::awaitable<void> Worker::Impl::publish_status(ports::OutRecord status) {
  try {
    co_await deps_.sink.publish(context(options_->publish_timeout), std::move(status));
  } catch (const Failure&) {
    deps_.metrics.status_lost.Increment();  // Best effort: the rows are stored either way.
  }
}

}  // namespace memseal::ingest
