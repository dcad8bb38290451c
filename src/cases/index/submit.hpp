#pragma once
// Takes a document of a client: announces an operation and publishes an upload event. Ingest then
// reads the event and stores the document, as it does for every other producer.
#include "base/ids.hpp"
#include "base/result.hpp"
#include "ports/event_sink.hpp"
#include "ports/operations.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::index {

namespace asio = boost::asio;

/// CloudEvents `source` of the events that submit() publishes.
inline constexpr std::string_view event_source = "/memseal/http";

/// Everything that it refers to must outlive it.
/// Thread: any that the ports allow.
struct IndexDeps {
  ports::Operations& operations;
  ports::EventSink& events;
  const crypto::IdDeriver& ids;
  /// Further headers of the event's record, such as those of its trace; 1 KiB at most.
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// Who submits. `tenant` is the one of `user`.
struct Owner {
  UserId user;
  crypto::Tenant tenant;
};

/// A document to index. Texts are well-formed UTF-8.
struct Submission {
  /// Submissions of one owner with the same key are one event. Empty: an event of its own.
  std::string idempotency_key;
  std::string doc_id;  ///< empty: derived from `name` and `text`, the same for the same content
  std::string name;
  std::string mime_type = "text/plain";  ///< or "text/markdown"
  std::string text;
  /// The stored file that holds the text; then `text` is empty and `doc_id` is not.
  std::optional<Uuid> file = {};
  std::vector<std::string> tags;
  std::string attributes_json;  ///< empty or a JSON object
  std::int64_t at_ms = 0;       ///< wall clock in Unix ms: time of the event. No revision, because
                                ///< the clocks of two nodes differ: the later arrival stays.
};

/// Returns the operation by which the owner can follow the document: `queued`, or the state of an
/// earlier submission with the same key.
/// Errors, before anything is published: bad_request or invalid_field (doc_id; or the key was used
/// for another request), payload_too_large (the event takes more than 4 KiB less than
/// limits::event_bytes_max).
/// Throws Failure when the operations or the sink fail. The caller may submit again with the same
/// key.
asio::awaitable<Result<ports::Operation>> submit(const IndexDeps& deps,
                                                 runtime::RequestContext context, Owner owner,
                                                 Submission submission);

}  // namespace memseal::index
