#include "adapters/redis/local_buckets.hpp"

#include "base/assert.hpp"

#include <cstring>

namespace memseal::redis {

// A user hash is the output of a keyed hash, so any eight of its bytes are a good hash value.
std::size_t LocalBuckets::Hash::operator()(const UserHash& user) const noexcept {
  std::size_t value;
  std::memcpy(&value, user.bytes.data(), sizeof value);
  return value;
}

LocalBuckets::LocalBuckets(policy::BucketRules rules, std::size_t users_max)
    : rules_(rules), users_max_(users_max) {
  MEMSEAL_ASSERT(rules.valid() && users_max > 0);
}

LocalBuckets::Entry& LocalBuckets::entry_of(const UserHash& user) {
  if (const auto known = by_user_.find(user); known != by_user_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return entries_.front();
  }
  // The bound keeps a flood of users from filling the memory. A user who was dropped starts with a
  // full bucket.
  if (entries_.size() >= users_max_) {
    by_user_.erase(entries_.back().user);
    entries_.pop_back();
  }
  entries_.push_front({.user = user, .round = rounds_});
  by_user_.emplace(user, entries_.begin());
  return entries_.front();
}

policy::BucketAnswer LocalBuckets::take(const UserHash& user, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(user);
  const auto answer = entry.bucket.take(rules_, now_us);
  if (answer.allowed) ++entry.version;
  return answer;
}

LocalBuckets::Unsynced LocalBuckets::unsynced(const UserHash& user, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(user);
  // mark_all_unsynced() only counts a round, because a walk over all users would hold the lock too
  // long. Each entry catches up here, on its next use.
  if (entry.round != rounds_) {
    entry.round = rounds_;
    ++entry.version;
  }
  if (entry.synced == entry.version) return {0, entry.version};
  return {entry.bucket.debt_us(rules_, now_us), entry.version};
}

void LocalBuckets::reconcile(const UserHash& user, std::int64_t now_us, std::int64_t debt_us,
                             Unsynced sent) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(user);
  entry.bucket.owe(rules_, now_us, debt_us);
  // Only up to the version that was sent: a decision made since then stays unsynced. The maximum,
  // because replies may arrive in another order than their requests left.
  entry.synced = std::max(entry.synced, sent.version);
}

void LocalBuckets::mark_all_unsynced() {
  const std::lock_guard lock(mutex_);
  ++rounds_;
}

std::size_t LocalBuckets::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace memseal::redis
