#pragma once
// One turn as chat-completion clients keep it. Kafka's chat events and the HTTP route share this
// reader.
#include "pure/wire/internal/fields.hpp"

#include "pure/wire/event.hpp"

namespace memseal::wire {

inline constexpr std::size_t turns_max = 1'000;  ///< of one event, and of one request

/// What an `id` that cannot name a turn means.
enum class TurnIds {
  lenient,  ///< nothing: producers keep messages as their model API has them
  strict,   ///< a fault
};

/// Reads one turn. Faults have `place` as the begin of their pointer.
/// NOTE: unknown members are no fault, because clients keep their own (name, tool_call_id) there.
ChatMessage read_turn(const json::value& value, const std::string& place, TurnIds ids,
                      Adapted& adapted, Fault& fault);

/// Reads a list of 1 to turns_max turns, which is the member `key` of `fields`.
std::vector<ChatMessage> read_turns(FieldReader& fields, std::string_view key, TurnIds ids,
                                    Adapted& adapted);

}  // namespace memseal::wire
