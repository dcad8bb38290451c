#pragma once
// Takes the wish to delete from a client: announces an operation and publishes a deletion, on the
// topic of what it deletes, so that it keeps its order with what was sent before and after it.
#include "cases/index/submit.hpp"
#include "ports/stored_memory.hpp"

#include <optional>
#include <string>

namespace memseal::index {

/// What to delete.
struct DeletionSubmission {
  std::string idempotency_key;  ///< as Submission::idempotency_key
  ports::MemoryKind kind = ports::MemoryKind::document;
  DocId id;
  /// Of a conversation: only turns that were said earlier, Unix ms.
  std::optional<std::int64_t> before_ms = {};
  std::int64_t at_ms = 0;  ///< wall clock in Unix ms: time of the event
};

/// As submit(). Errors, before anything is published: not_found (nothing of it is stored, and no
/// write of it is announced), invalid_field (the key was used for another request).
asio::awaitable<Result<ports::Operation>> submit_deletion(const IndexDeps& deps,
                                                          ports::StoredMemory& stored,
                                                          runtime::RequestContext context,
                                                          Owner owner,
                                                          DeletionSubmission submission);

}  // namespace memseal::index
