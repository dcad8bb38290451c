#pragma once
// POST /api/v1/memory/conversations/{id}/turns
#include "pure/wire/event.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

struct TurnsRequest {
  std::vector<ChatMessage> turns;  ///< 1 to 1,000, in the order in which they were said
  std::vector<std::string> tags;
  std::string attributes_json;
  std::optional<std::string> user_id;  ///< must equal the token's subject
};

/// Reads `{"turns": [turn…], "tags": […], "attributes": {…}}`, or one turn by itself, which may
/// have the members `tags`, `attributes` and `user_id` too. A turn has the shape of a message in
/// Kafka's chat event. Two turns with one id are refused.
/// Errors: bad_json, invalid_field (with a JSON pointer in `field`), payload_too_large. Never
/// throws on input.
Result<TurnsRequest> parse_turns_request(std::string_view body);

}  // namespace memseal::wire
