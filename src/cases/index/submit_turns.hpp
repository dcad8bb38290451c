#pragma once
// Takes turns of a conversation from a client: announces an operation and publishes a chat event.
#include "cases/index/submit.hpp"
#include "pure/wire/turns_request.hpp"

#include <optional>
#include <string>
#include <vector>

namespace memseal::index {

/// Turns to remember. Texts are well-formed UTF-8.
struct TurnsSubmission {
  /// As Submission::idempotency_key. Turns are stored once also without one.
  std::string idempotency_key;
  DocId conversation;
  std::vector<wire::ChatMessage> turns;
  std::vector<std::string> tags;
  std::string attributes_json;
  std::int64_t at_ms = 0;  ///< wall clock in Unix ms: time of the event, and of turns without one
};

struct TurnsSubmitted {
  ports::Operation operation;
  /// The id by which each turn comes back: the client's own, else one that is derived from the
  /// turn. Empty for a turn without text, which is not stored.
  std::vector<std::string> turn_ids;
};

/// As submit(). Errors, before anything is published: invalid_field (the key was used for another
/// request), payload_too_large.
asio::awaitable<Result<TurnsSubmitted>> submit_turns(const IndexDeps& deps,
                                                     runtime::RequestContext context, Owner owner,
                                                     TurnsSubmission submission);

}  // namespace memseal::index
