#pragma once
// The names of the events. Each is the end of an event's type, and the topic's name by default.
#include <string_view>

namespace memseal::wire {

inline constexpr std::string_view upload_event_name = "memory.upload.v1";
inline constexpr std::string_view chat_event_name = "memory.chat.v1";

}  // namespace memseal::wire
