#include "cases/knowledge/transfers.hpp"

namespace memseal::knowledge {

Transfers::Ticket::~Ticket() {
  if (all_ == nullptr) return;
  const std::lock_guard lock(all_->mutex_);
  const auto at = all_->sums_.find(owner_);
  at->second.bytes -= bytes_;
  if (--at->second.count == 0) all_->sums_.erase(at);
}

std::int64_t Transfers::Ticket::charge(std::int64_t bytes) {
  const std::lock_guard lock(all_->mutex_);
  bytes_ += bytes;
  return all_->sums_.at(owner_).bytes += bytes;
}

std::optional<Transfers::Ticket> Transfers::admit(crypto::Tenant owner, std::int64_t most) {
  const std::lock_guard lock(mutex_);
  const auto found = sums_.find(owner);
  if (found != sums_.end() && found->second.count >= most) return std::nullopt;
  ++sums_[owner].count;
  return Ticket(*this, owner);
}

}  // namespace memseal::knowledge
