#pragma once
// Token buckets inside this process: the limiter without Redis, and the fallback with Redis.
#include "base/ids.hpp"
#include "pure/policy/token_bucket.hpp"

#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

namespace memseal::redis {

/// One bucket a user, for at most `users_max` users; the least recently seen user makes room.
/// All limiters of a process share one LocalBuckets, so that its loops together keep one limit.
///
/// Behind Redis it also copies the debt of the shared buckets, so that it continues where they
/// left off, and remembers which of its own decisions Redis has not seen.
/// Thread: any. The lock is held for well under a microsecond, never across a suspension.
class LocalBuckets {
 public:
  explicit LocalBuckets(policy::BucketRules rules, std::size_t users_max = 65'536);

  const policy::BucketRules& rules() const noexcept { return rules_; }

  /// Takes a token. `now_us`: a steady clock, the same for all calls.
  policy::BucketAnswer take(const UserHash& user, std::int64_t now_us);

  /// Debt from local decisions that Redis has not seen.
  struct Unsynced {
    std::int64_t debt_us = 0;   ///< microseconds; 0: Redis has seen them all
    std::uint64_t version = 0;  ///< up to which decision the debt counts
  };
  Unsynced unsynced(const UserHash& user, std::int64_t now_us);
  /// Records Redis's reply to a request that carried `sent`: Redis now knows that debt, and
  /// reports a debt of `debt_us` at `now_us` or later.
  void reconcile(const UserHash& user, std::int64_t now_us, std::int64_t debt_us, Unsynced sent);
  /// Redis was out of reach and may have lost its buckets: send every debt again.
  void mark_all_unsynced();

  std::size_t size() const;

 private:
  struct Entry {
    UserHash user;
    policy::TokenBucket bucket;
    std::uint64_t version = 0;  // counts decisions, and each mark_all_unsynced()
    std::uint64_t synced = 0;   // the version that Redis has seen
    std::uint64_t round = 0;    // the mark_all_unsynced() that `version` counts already
  };
  struct Hash {
    std::size_t operator()(const UserHash& user) const noexcept;
  };

  Entry& entry_of(const UserHash& user);

  const policy::BucketRules rules_;
  const std::size_t users_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the most recently seen user first
  std::unordered_map<UserHash, std::list<Entry>::iterator, Hash> by_user_;
  std::uint64_t rounds_ = 0;  // calls of mark_all_unsynced()
};

}  // namespace memseal::redis
