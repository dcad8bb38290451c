#pragma once
// What every event says about itself: its type, its user, its time.
#include "pure/wire/internal/envelope.hpp"

namespace memseal::wire {

Error bad_event(std::string_view pointer, std::string_view message);

enum class EventKind { upload, chat, deletion };

/// By the CloudEvents type. Errors: bad_event, event_type_unknown.
Result<EventKind> kind_of_type(const Attributes& attributes, std::string_view topic);

/// Errors: bad_event, event_without_user.
Result<EventHead> head_of(const RawEvent& raw, const Attributes& attributes);

}  // namespace memseal::wire
