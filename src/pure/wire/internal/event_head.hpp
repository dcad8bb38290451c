#pragma once
// What every event says about itself: its kind, its user, its time.
#include "pure/wire/internal/envelope.hpp"

namespace memseal::wire {

enum class Kind { upload, chat };

Error bad_event(std::string_view pointer, std::string_view message);

/// Errors: bad_event, event_type_unknown.
Result<Kind> kind_of(const Attributes& attributes, std::string_view topic);

/// Errors: bad_event, event_without_user.
Result<EventHead> head_of(const RawEvent& raw, const Attributes& attributes);

}  // namespace memseal::wire
