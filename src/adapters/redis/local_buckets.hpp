#pragma once
// Token buckets inside this process: the limiter without Redis, and the fallback with Redis.
#include "base/ids.hpp"
#include "ports/limiter.hpp"
#include "pure/policy/token_bucket.hpp"

#include <array>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace memseal::redis {

/// The rules of every bucket, by ports::Bucket.
using BucketTable = std::array<policy::RateRules, ports::bucket_count>;

/// Which bucket of which user.
struct BucketKey {
  UserHash user;
  ports::Bucket bucket = ports::Bucket::query;

  friend bool operator==(const BucketKey&, const BucketKey&) = default;
};

/// At most `buckets_max` buckets; the least recently used one makes room.
/// All limiters of a process share one LocalBuckets, so that its loops together keep one limit.
///
/// Behind Redis it also copies the debt of the shared buckets, so that it continues where they
/// left off, and remembers which of its own decisions Redis has not seen.
/// Thread: any. The lock is held for well under a microsecond, never across a suspension.
class LocalBuckets {
 public:
  /// REQUIRES: valid rules.
  explicit LocalBuckets(BucketTable rules, std::size_t buckets_max = 65'536);

  const policy::RateRules& rules(ports::Bucket bucket) const noexcept {
    return rules_[static_cast<std::size_t>(bucket)];
  }

  /// Takes one request and `tokens`. `now_us`: a steady clock, the same for all calls.
  policy::RateAnswer take(const BucketKey& key, std::int64_t now_us, std::int64_t tokens);

  /// The answer to any request when there is no room for the least one. Makes no entry.
  std::optional<policy::RateAnswer> refusal(const BucketKey& key, std::int64_t now_us) const;

  /// Debt from local decisions that Redis has not seen.
  struct Unsynced {
    policy::RateDebt debt;      ///< none: Redis has seen them all
    std::uint64_t version = 0;  ///< up to which decision the debt counts
  };
  Unsynced unsynced(const BucketKey& key, std::int64_t now_us);
  /// Records Redis's reply to a request that carried `sent`: Redis now knows that debt, and
  /// reports `debt` at `now_us` or later.
  void reconcile(const BucketKey& key, std::int64_t now_us, const policy::RateDebt& debt,
                 const Unsynced& sent);
  /// Redis was out of reach and may have lost its buckets: send every debt again.
  void mark_all_unsynced();

  std::size_t size() const;

 private:
  struct Entry {
    BucketKey key;
    policy::RateBucket bucket;
    std::uint64_t version = 0;  // counts decisions, and each mark_all_unsynced()
    std::uint64_t synced = 0;   // the version that Redis has seen
    std::uint64_t round = 0;    // the mark_all_unsynced() that `version` counts already
  };
  struct Hash {
    std::size_t operator()(const BucketKey& key) const noexcept;
  };

  Entry& entry_of(const BucketKey& key);

  const BucketTable rules_;
  const std::size_t buckets_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the most recently used one first
  std::unordered_map<BucketKey, std::list<Entry>::iterator, Hash> by_key_;
  std::uint64_t rounds_ = 0;  // calls of mark_all_unsynced()
};

}  // namespace memseal::redis
