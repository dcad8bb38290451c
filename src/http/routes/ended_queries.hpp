#pragma once
// Which streamed queries have ended, so that a client that reconnects can be told to stop.
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

namespace memseal::http {

/// Remembers the queries that ended last. A client that reconnects to another process, or after
/// kept_max other queries, asks once more; that is no worse than without this memory.
/// Thread: any.
class EndedQueries {
 public:
  static constexpr std::size_t kept_max = 8'192;

  /// `event_id`, `<query_id>:<n>`, is of the query's last event.
  void add(const std::string& event_id);
  /// Whether `last_event_id` is of the last event of a query. A client that has not received that
  /// event asks again.
  bool contains(std::string_view last_event_id) const;

 private:
  mutable std::mutex mutex_;  // never held across a wait
  std::unordered_set<std::string> ids_;
  std::deque<std::string> order_;  // oldest first
};

}  // namespace memseal::http
