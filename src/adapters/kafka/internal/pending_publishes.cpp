#include "adapters/kafka/internal/pending_publishes.hpp"

#include "base/result.hpp"

#include <boost/asio/post.hpp>

#include <vector>

namespace memseal::kafka {

PendingPublishes::Ticket PendingPublishes::add(const std::shared_ptr<PendingPublish>& waiting) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw Outage({Errc::shutting_down, "the Kafka producer is closing"});
  if (waiting_.size() >= max_)
    throw Outage({Errc::overloaded, "too many Kafka records wait for confirmation"});
  // A ticket is never used twice, so a late report cannot settle another call.
  const auto ticket = ++last_;
  waiting_.emplace(ticket, waiting);
  return ticket;
}

void PendingPublishes::remove(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(ticket);
}

void PendingPublishes::settle(Ticket ticket, rd_kafka_resp_err_t report) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(ticket);
  // The caller timed out or was cancelled before its report came.
  if (found == waiting_.end()) return;
  // Post under the lock: while the entry is there, its coroutine and so its executor are alive.
  asio::post(found->second->executor, [waiting = found->second, report] {
    waiting->report = report;
    waiting->timer.cancel();
  });
}

void PendingPublishes::settle_all(rd_kafka_resp_err_t report) {
  // A copy, because settle() takes the lock itself.
  std::vector<Ticket> tickets;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [ticket, waiting] : waiting_) tickets.push_back(ticket);
  }
  for (const auto ticket : tickets) settle(ticket, report);
}

void PendingPublishes::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

}  // namespace memseal::kafka
