#pragma once
// The names of the events. Each is the end of an event's type. Those of uploads and chats are the
// names of their topics by default; a deletion goes to the topic of what it deletes.
#include <algorithm>
#include <string_view>

namespace memseal::wire {

inline constexpr std::string_view upload_event_name = "memory.upload.v1";
inline constexpr std::string_view chat_event_name = "memory.chat.v1";
inline constexpr std::string_view delete_event_name = "memory.delete.v1";

/// Whether Kafka takes `text` as the name of a topic.
constexpr bool is_topic_name(std::string_view text) {
  return !text.empty() && text.size() <= 249 && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

}  // namespace memseal::wire
