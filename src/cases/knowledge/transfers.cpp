#include "cases/knowledge/transfers.hpp"

namespace memseal::knowledge {

Uploads::Ticket::~Ticket() {
  if (uploads_ == nullptr) return;
  const std::lock_guard lock(uploads_->mutex_);
  const auto at = uploads_->sums_.find(owner_);
  at->second.bytes -= bytes_;
  if (--at->second.uploads == 0) uploads_->sums_.erase(at);
}

std::int64_t Uploads::Ticket::charge(std::int64_t bytes) {
  const std::lock_guard lock(uploads_->mutex_);
  bytes_ += bytes;
  return uploads_->sums_.at(owner_).bytes += bytes;
}

std::optional<Uploads::Ticket> Uploads::admit(crypto::Tenant owner, std::int64_t most) {
  const std::lock_guard lock(mutex_);
  const auto found = sums_.find(owner);
  if (found != sums_.end() && found->second.uploads >= most) return std::nullopt;
  ++sums_[owner].uploads;
  return Ticket(*this, owner);
}

}  // namespace memseal::knowledge
