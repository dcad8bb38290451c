#include "adapters/redis/local_buckets.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cstring>

namespace memseal::redis {

// A user hash is the output of a keyed hash, so any eight of its bytes are a good hash value.
std::size_t LocalBuckets::Hash::operator()(const BucketKey& key) const noexcept {
  std::size_t value;
  std::memcpy(&value, key.user.bytes.data(), sizeof value);
  return value + static_cast<std::size_t>(key.bucket);
}

LocalBuckets::LocalBuckets(BucketTable rules, std::size_t buckets_max)
    : rules_(rules), buckets_max_(buckets_max) {
  MEMSEAL_ASSERT(std::ranges::all_of(rules, &policy::RateRules::valid) && buckets_max > 0);
}

LocalBuckets::Entry& LocalBuckets::entry_of(const BucketKey& key) {
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return entries_.front();
  }
  // The bound keeps a flood of users from filling the memory. A bucket that was dropped is full
  // next time.
  if (entries_.size() >= buckets_max_) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({.key = key, .round = rounds_});
  by_key_.emplace(key, entries_.begin());
  return entries_.front();
}

policy::RateAnswer LocalBuckets::take(const BucketKey& key, std::int64_t now_us,
                                      std::int64_t tokens) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(key);
  const auto answer = entry.bucket.take(rules(key.bucket), now_us, tokens);
  if (answer.allowed) ++entry.version;
  return answer;
}

std::optional<policy::RateAnswer> LocalBuckets::refusal(const BucketKey& key,
                                                        std::int64_t now_us) const {
  const std::lock_guard lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return std::nullopt;
  // A request has at least one token of text where tokens are counted.
  const auto answer = known->second->bucket.ask(rules(key.bucket), now_us, 1);
  if (answer.allowed) return std::nullopt;
  return answer;
}

LocalBuckets::Unsynced LocalBuckets::unsynced(const BucketKey& key, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(key);
  // mark_all_unsynced() only counts a round, because a walk over all users would hold the lock too
  // long. Each entry catches up here, on its next use.
  if (entry.round != rounds_) {
    entry.round = rounds_;
    ++entry.version;
  }
  if (entry.synced == entry.version) return {{}, entry.version};
  return {entry.bucket.debt(rules(key.bucket), now_us), entry.version};
}

void LocalBuckets::reconcile(const BucketKey& key, std::int64_t now_us,
                             const policy::RateDebt& debt, const Unsynced& sent) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(key);
  entry.bucket.owe(rules(key.bucket), now_us, debt);
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
