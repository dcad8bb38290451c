// What happens to an event that cannot be ingested.
#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/internal/worker_impl.hpp"
#include "pure/crypto/random.hpp"
#include "runtime/log.hpp"

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
  // Never the user id itself. A letter of nobody has a key too, so that its parts and its mark come
  // to one partition.
  letter.key = event.tenant ? event.tenant->hash().to_hex() : event.event_id.to_string();
  const auto add = [&](std::string_view name, std::string value) {
    letter.headers.emplace_back(name, std::move(value));
  };
  namespace header = letter_header;
  add(header::error_code, std::string(errc_name(refusal.why.code)));
  add(header::error_message, sentence_of(refusal.why));
  if (!refusal.why.field.empty()) add(header::error_field, refusal.why.field);
  add(header::error_stage, std::string(refusal.stage));
  add(header::error_attempts, std::to_string(refusal.attempts));
  add(header::topic, record.topic);
  add(header::partition, std::to_string(record.partition));
  add(header::offset, std::to_string(record.offset));
  add(header::timestamp, std::to_string(record.timestamp_ms));
  add(header::event_id, event.event_id.to_string());
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
  const auto owner = co_await seal_letter(job, refusal, letter);
  if (owner == LetterOwner::erased) {
    settled(job, Outcome::erased);
    co_return;
  }
  co_await publish_until_confirmed(std::move(letter));
  // A refused event makes no tenant. So only its status event says what became of it.
  if (job.prepared->identified && owner != LetterOwner::stranger) co_await record_failure(job);
  deps_.metrics.dead_letters(why.code).Increment();
  runtime::log(runtime::LogLevel::warn, "ingest.dead_lettered",
               {{"code", errc_name(why.code)},
                {"stage", refusal.stage},
                {"attempts", refusal.attempts},
                {"cause", sentence_of(why)},
                {"topic", job.record->topic},
                {"partition", job.record->partition},
                {"offset", job.record->offset}});
  settled(job, Outcome::dead_lettered);
}

asio::awaitable<void> Worker::Impl::fetch_key(crypto::Tenant owner, bool makes_tenant,
                                              ports::TenantKeyPtr& key) {
  auto limits = context(options_->store_timeout);
  if (makes_tenant)
    key = co_await deps_.keys.sealing_key(std::move(limits), owner);
  else
    key = co_await deps_.keys.known_sealing_key(std::move(limits), owner);
}

// Nothing of an erased tenant may be kept, sealed or not.
asio::awaitable<Worker::Impl::LetterOwner> Worker::Impl::seal_letter(const Job& job,
                                                                     const Refusal& refusal,
                                                                     ports::OutRecord& letter) {
  const auto& event = *job.prepared;
  ports::TenantKeyPtr key;
  auto owner = LetterOwner::stranger;
  if (event.tenant) {
    const bool makes_tenant = refusal.stage == refused_by_processing;
    try {
      co_await steps_.until_done(Stage::seal,
                                 [&] { return fetch_key(*event.tenant, makes_tenant, key); });
      if (key) owner = LetterOwner::tenant;
    } catch (const Refused& refused) {
      if (refused.error().code == Errc::tenant_erased) co_return LetterOwner::erased;
      if (errc_row(refused.error().code).setup()) throw;
      owner = LetterOwner::tenant;
      key = nullptr;  // This tenant's key does not open: the keyring's own takes its place.
    }
  }
  auto sealed = key ? seal_dead_letter(*event.tenant, *key, event.event_id, *job.record)
                    : seal_dead_letter(nobody(deps_.keyer), deps_.dead_letter_key(),
                                       event.event_id, *job.record);
  letter.headers.emplace_back(letter_header::sealed_for, key ? "tenant" : "nobody");
  if (sealed)
    letter.value = std::move(*sealed);
  else
    letter.headers.emplace_back(letter_header::value_omitted, errc_name(sealed.error().code));
  co_return owner;
}

asio::awaitable<void> Worker::Impl::publish_until_confirmed(ports::OutRecord letter) {
  std::vector<ports::OutRecord> whole;
  whole.push_back(letter);
  if (co_await publish_records(std::move(whole))) co_return;
  for (auto bytes = letter_part_bytes_first; bytes >= letter_part_bytes_least; bytes /= 2) {
    if (letter.value.size() <= bytes) continue;
    auto parts = letter_in_parts(letter, bytes, crypto::random_uuid().to_string());
    if (co_await publish_records(std::move(parts))) co_return;
  }
  // The original stays where its coordinates say, for as long as that topic keeps it.
  letter.value.clear();
  letter.headers.emplace_back(letter_header::value_omitted, errc_name(Errc::payload_too_large));
  co_await steps_.until_done(Stage::dead_letter, [&] { return publish_letter(letter); });
}

// False when the broker takes no record of that size. Readers leave out a letter that lacks parts.
asio::awaitable<bool> Worker::Impl::publish_records(std::vector<ports::OutRecord> records) {
  for (const auto& record : records) {
    try {
      co_await steps_.until_done(Stage::dead_letter, [&] { return publish_letter(record); });
    } catch (const Refused& refused) {
      if (refused.error().code != Errc::payload_too_large) throw;
      co_return false;
    }
  }
  co_return true;
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
                                      job.error, event.first_place);
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

}  // namespace memseal::ingest
