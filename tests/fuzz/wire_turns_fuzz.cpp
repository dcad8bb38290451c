// Any body of turns: what is accepted is within its limits, and the event that it makes is read
// back as it was.
#include "base/assert.hpp"
#include "base/limits.hpp"
#include "pure/wire/turn.hpp"
#include "pure/wire/turns_request.hpp"

#include <cstdint>
#include <string_view>
#include <variant>

using namespace memseal;
using namespace memseal::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  turn_of_meta(body);
  auto request = parse_turns_request(body);
  if (!request) return 0;
  MEMSEAL_ASSERT(!request->turns.empty() && request->turns.size() <= 1'000);
  MEMSEAL_ASSERT(request->tags.size() <= limits::tags_max);
  const ChatEvent event{.head = {.id = "1", .source = "fuzz", .user = UserId::parse("u").value()},
                        .conversation_id = DocId::parse("c").value(),
                        .messages = std::move(request->turns),
                        .tags = std::move(request->tags),
                        .attributes_json = std::move(request->attributes_json)};
  const auto names = turn_names(event);
  MEMSEAL_ASSERT(names.size() == event.messages.size());
  const auto value = make_chat_event(event);
  const auto again = parse_event({.topic = chat_event_type, .key = "u", .value = value});
  MEMSEAL_ASSERT(again);
  const auto& chat = std::get<ChatEvent>(*again);
  MEMSEAL_ASSERT(turn_names(chat) == names);
  return 0;
}
