#pragma once
// The data of a chat: the turns of a conversation as chat-completion clients keep them. And that of
// a deletion.
#include "pure/wire/internal/fields.hpp"

#include "pure/wire/event.hpp"

namespace memseal::wire {

/// Reads the data of a chat. Errors: bad_event.
Result<Event> read_chat(EventHead head, const json::object& data);

/// Reads the data of a deletion. `origin`: of a document. Errors: bad_event.
Result<Event> read_deletion(EventHead head, const json::object& data, Origin origin,
                            std::string_view topic);

/// Empty, and a fault at `pointer`, when `text` is no name of a document or conversation.
std::optional<DocId> doc_id_of(std::string_view text, std::string_view pointer, Fault& fault);

}  // namespace memseal::wire
