#pragma once
// The data of a chat: the turns of a conversation as chat-completion clients keep them.
#include "pure/wire/internal/fields.hpp"

#include "pure/wire/event.hpp"

namespace memseal::wire {

/// Reads the data of a chat. Errors: bad_event.
Result<Event> read_chat(EventHead head, const json::object& data);

/// Empty, and a fault at `pointer`, when `text` is no name of a document or conversation.
std::optional<DocId> doc_id_of(std::string_view text, std::string_view pointer, Fault& fault);

}  // namespace memseal::wire
