#pragma once
// What became of published events, by the status events of ingest.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::app {

/// How one event ended.
struct EventEnd {
  bool stored = false;      ///< its content is in the memory, by this event or an earlier copy
  bool before = false;      ///< stored by an earlier copy of the event
  std::int64_t chunks = 0;  ///< of the event
  std::string code = {};    ///< why the event is not stored: an error code, or the outcome's name
  std::string why = {};     ///< the same as a sentence for people
};

/// The events of one call that have not ended yet.
class OpenEvents {
 public:
  explicit OpenEvents(std::string source) : source_(std::move(source)) {}

  /// `index`: whatever the caller calls this event by.
  void add(std::string event_id, std::size_t index) { open_.emplace(std::move(event_id), index); }
  bool empty() const noexcept { return open_.empty(); }

  /// Reads one record of the status topic. Returns the index and the end of the event that the
  /// record is about, and forgets the event; empty for a record about something else.
  std::optional<std::pair<std::size_t, EventEnd>> read(std::string_view record);

 private:
  const std::string source_;
  std::map<std::string, std::size_t, std::less<>> open_;
};

}  // namespace memseal::app
