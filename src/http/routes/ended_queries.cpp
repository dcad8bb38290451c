#include "http/routes/ended_queries.hpp"

namespace memseal::http {

void EndedQueries::add(const std::string& event_id) {
  const std::lock_guard lock(mutex_);
  if (!ids_.insert(event_id).second) return;
  order_.push_back(event_id);
  if (order_.size() <= kept_max) return;
  // The set finds an id, and the queue knows which one is the oldest.
  ids_.erase(order_.front());
  order_.pop_front();
}

bool EndedQueries::contains(std::string_view last_event_id) const {
  const std::string event_id(last_event_id);
  const std::lock_guard lock(mutex_);
  return ids_.contains(event_id);
}

}  // namespace memseal::http
