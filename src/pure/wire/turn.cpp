#include "pure/wire/turn.hpp"

#include "pure/codec/json.hpp"
#include "pure/wire/internal/meta_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <map>
#include <utility>

namespace memseal::wire {

namespace {

namespace json = boost::json;

/// Appends `word` so that no two lists of words give the same text.
void add_word(std::string& words, std::string_view word) {
  words += std::to_string(word.size());
  words += ':';
  words += word;
}

void add_turn(std::string& words, const ChatMessage& turn) {
  add_word(words, turn.role);
  add_word(words, turn.content);
}

std::vector<std::size_t> indices_with_text(const ChatEvent& event) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < event.messages.size(); ++i)
    if (has_text(event.messages[i])) indices.push_back(i);
  return indices;
}

}  // namespace

std::vector<std::string> turn_names(const ChatEvent& event) {
  std::vector<std::string> names(event.messages.size());
  const auto said = indices_with_text(event);
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < said.size(); ++i) {
    const auto& turn = event.messages[said[i]];
    auto& name = names[said[i]];
    add_word(name, event.conversation_id.value());
    add_turn(name, turn);
    if (!turn.id.empty()) {
      add_word(name, "id");
      add_word(name, turn.id);
      continue;
    }
    if (turn.created_at_ms != 0) {
      add_word(name, "at");
      add_word(name, std::to_string(turn.created_at_ms));
    } else if (said.size() == 1) {
      add_word(name, "event");
      add_word(name, event.head.source);
      add_word(name, event.head.id);
    } else {
      add_word(name, i > 0 ? "after" : "before");
      add_turn(name, event.messages[said[i > 0 ? i - 1 : 1]]);
    }
    const auto earlier = seen[name]++;
    add_word(name, std::to_string(earlier));
  }
  return names;
}

std::vector<std::int64_t> turn_times(const ChatEvent& event) {
  std::vector<std::int64_t> times;
  auto time_ms = event.head.time_ms;
  for (const auto& turn : event.messages) {
    if (turn.created_at_ms != 0) time_ms = turn.created_at_ms;
    times.push_back(time_ms);
  }
  return times;
}

std::string meta_of_turn(const ChatEvent& event, const TurnLabel& turn) {
  json::object meta{{"roles", json::array{turn.role}}};
  if (event.head.time_ms > 0) meta["time_ms"] = event.head.time_ms;
  if (!event.attributes_json.empty())
    if (auto attributes = codec::parse_json(event.attributes_json, Errc::internal))
      meta["attributes"] = std::move(*attributes);
  json::object label{{"id", turn.id}, {"role", turn.role}};
  if (!turn.window.empty()) label["window"] = turn.window;
  meta["turn"] = std::move(label);
  return codec::compact_json(meta);
}

std::optional<TurnLabel> turn_of_meta(std::string_view meta_json) {
  if (meta_json.empty()) return std::nullopt;
  const auto meta = codec::parse_json(meta_json, Errc::internal);
  const auto* object = meta ? meta->if_object() : nullptr;
  const auto* turn = object ? object->if_contains("turn") : nullptr;
  const auto* label = turn ? turn->if_object() : nullptr;
  if (label == nullptr) return std::nullopt;
  return TurnLabel{text_at(*label, "id"), text_at(*label, "role"), text_at(*label, "window")};
}

}  // namespace memseal::wire
