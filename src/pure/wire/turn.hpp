#pragma once
// Turns of conversations: which two are the same, and what is sealed beside each.
#include "pure/wire/event.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

/// What a turn's key is a hash for: IdDeriver::event_id(owner, turn_key_of, name of the turn).
inline constexpr std::string_view turn_key_of = "memseal/turn";

/// Whether a turn has neither id nor time, so that only its words and its place tell which it is.
inline bool is_known_by_words(const ChatMessage& turn) {
  return turn.id.empty() && turn.created_at_ms == 0;
}

/// For each turn of an event what it is the same by; empty for a turn without text.
/// The same are turns of one conversation with equal role, content and
/// - id, where they have one; or
/// - time, where they have one; or
/// - turn before them in their event, of the first one the turn after it; or
/// - event, where it has no other turn: somebody said the same again.
/// Of turns that are equal in all this within one event, each is a turn of its own. So a history
/// that is sent again, whole or without its begin, has no new turn but those that follow, and a
/// `yes` that is said again is one.
/// NOTE: the first turn of a history without its begin has another name than the one under which it
/// was stored. It is stored if the turn after it is, because that one's name holds both.
/// NOTE: holds content. A keyed hash of a name is what may be stored.
std::vector<std::string> turn_names(const ChatEvent& event);

/// When each turn was said: its own time, else that of the turn before it, else the event's. 0: not
/// known.
std::vector<std::int64_t> turn_times(const ChatEvent& event);

/// What is sealed beside a turn, and comes back with it.
struct TurnLabel {
  std::string id;      ///< as clients see it: their own, or the one that ingest gave
  std::string role;
  std::string window;  ///< what was said before it, one line a turn; may be empty
};

/// The JSON that is sealed with each piece of a turn of `event`. At most window.size() and some 800
/// bytes more than meta_of(event).
std::string meta_of_turn(const ChatEvent& event, const TurnLabel& turn);

/// Reads what meta_of_turn() wrote. Empty for any other JSON. Never throws.
std::optional<TurnLabel> turn_of_meta(std::string_view meta_json);

}  // namespace memseal::wire
