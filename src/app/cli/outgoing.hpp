#pragma once
#include "ports/event_sink.hpp"
#include "pure/wire/event.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace memseal::app {

/// Longest sentence that `publish` prints.
inline constexpr std::size_t outgoing_sentence_max = 1'000;

/// One event to send.
struct Outgoing {
  std::string label;  ///< names the document or conversation in messages
  std::string event_id;
  std::string topic;
  ports::OutRecord record;
  /// The document of an event that has no room for its text. The text is stored first, and the
  /// record then refers to its file.
  std::optional<wire::UploadEvent> long_upload = {};
  std::size_t long_text_bytes = 0;
};

}  // namespace memseal::app
