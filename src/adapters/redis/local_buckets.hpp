#pragma once
// Token buckets inside this process: the limiter without Redis, and the one behind it.
#include "base/ids.hpp"
#include "pure/policy/token_bucket.hpp"

#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

namespace memseal::redis {

/// One bucket a user, for at most `users_max` users; the least recently seen one makes room. Shared
/// by all limiters of a process, so that its loops together keep one limit. Any thread: the lock
/// is held for well under a microsecond and never across a suspension.
///
/// Behind Redis it also follows the shared buckets, so that it carries on where they left off, and
/// knows what it gave away in their absence, so that they can be told.
class LocalBuckets {
 public:
  explicit LocalBuckets(policy::BucketRules rules, std::size_t users_max = 65'536);

  const policy::BucketRules& rules() const noexcept { return rules_; }

  /// Takes a token. `now_us`: a steady clock, the same for all calls.
  policy::BucketAnswer take(const UserHash& user, std::int64_t now_us);

  /// What the shared bucket is to be told: microseconds owed at `now_us` by decisions it may not
  /// know of, 0 when there are none.
  struct Untold {
    std::int64_t debt_us = 0;
    std::uint64_t version = 0;
  };
  Untold untold(const UserHash& user, std::int64_t now_us);
  /// The shared bucket, told `told`, answered that `debt_us` was owed at `now_us` or later.
  void follow(const UserHash& user, std::int64_t now_us, std::int64_t debt_us, Untold told);
  /// The shared buckets were out of reach and may have been lost: tell them everything anew.
  void doubt_all();

  std::size_t size() const;

 private:
  struct Entry {
    UserHash user;
    policy::TokenBucket bucket;
    std::uint64_t version = 0;  // of the last decision or doubt the shared one lacks
    std::uint64_t told = 0;     // equal to version: it lacks none
    std::uint64_t doubt = 0;    // the round of doubt_all() it was told in
  };
  struct Hash {
    std::size_t operator()(const UserHash& user) const noexcept;
  };

  Entry& entry_of(const UserHash& user);

  const policy::BucketRules rules_;
  const std::size_t users_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the most recently seen first
  std::unordered_map<UserHash, std::list<Entry>::iterator, Hash> places_;
  std::uint64_t doubts_ = 0;
};

}  // namespace memseal::redis
