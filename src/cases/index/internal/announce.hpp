#pragma once
// What every submission does: it announces an operation, then publishes an event.
#include "cases/index/submit.hpp"
#include "pure/wire/event.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::index {

/// What identifies a submission, and what it becomes.
struct Announcement {
  Uuid id;  ///< of the operation, and of the event
  Origin origin;
  DocId doc_id;
  /// Keyed hash of what the client asked for; empty for a request without an idempotency key.
  std::optional<Uuid> request;
  std::int64_t at_ms = 0;
  bool deletes = false;
};

/// A name of a new event: the client's idempotency key, else a random one.
std::string event_name_of(const std::string& idempotency_key);

/// A text that differs for any two lists of words.
class Words {
 public:
  Words& add(std::string_view word);
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

/// `event`: the whole event, whose head is `head`.
ports::OutRecord record_of(ports::Channel channel, const wire::EventHead& head, std::string event);

/// Counts as ingest does, because what is accepted here must not be refused there, and leaves room
/// for the seal, because the broker must take what is announced.
/// `what` and `field` name the content for the client.
std::optional<Error> check_record_size(const ports::OutRecord& record, std::string_view what,
                                       std::string_view field);
std::optional<Error> check_meta_size(std::size_t meta_bytes);

/// Returns the operation by which the owner can follow the event.
/// Error: invalid_field, when the key was used for another request.
asio::awaitable<Result<ports::Operation>> announce_and_publish(const IndexDeps& deps,
                                                               runtime::RequestContext context,
                                                               crypto::Tenant owner,
                                                               Announcement announcement,
                                                               ports::OutRecord record);

}  // namespace memseal::index
