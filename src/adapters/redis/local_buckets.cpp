#include "adapters/redis/local_buckets.hpp"

#include "base/assert.hpp"

#include <cstring>

namespace memseal::redis {

// A user hash is a keyed hash already: any of its bytes are as good as another hash of them.
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
  if (const auto known = places_.find(user); known != places_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return entries_.front();
  }
  if (entries_.size() >= users_max_) {
    places_.erase(entries_.back().user);
    entries_.pop_back();
  }
  entries_.push_front({.user = user, .doubt = doubts_});
  places_.emplace(user, entries_.begin());
  return entries_.front();
}

policy::BucketAnswer LocalBuckets::take(const UserHash& user, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(user);
  const auto answer = entry.bucket.take(rules_, now_us);
  if (answer.allowed) ++entry.version;
  return answer;
}

LocalBuckets::Untold LocalBuckets::untold(const UserHash& user, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(user);
  if (entry.doubt != doubts_) {
    entry.doubt = doubts_;
    ++entry.version;
  }
  if (entry.told == entry.version) return {0, entry.version};
  return {entry.bucket.debt_us(rules_, now_us), entry.version};
}

void LocalBuckets::follow(const UserHash& user, std::int64_t now_us, std::int64_t debt_us,
                          Untold told) {
  const std::lock_guard lock(mutex_);
  auto& entry = entry_of(user);
  entry.bucket.owe(rules_, now_us, debt_us);
  entry.told = std::max(entry.told, told.version);
}

void LocalBuckets::doubt_all() {
  const std::lock_guard lock(mutex_);
  ++doubts_;
}

std::size_t LocalBuckets::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace memseal::redis
