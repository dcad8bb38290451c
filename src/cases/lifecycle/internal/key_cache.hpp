#pragma once
#include "ports/tenant_keys.hpp"
#include "runtime/context.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>

namespace memseal::lifecycle {

/// A tenant's unwrapped keys.
struct KeySet {
  std::uint32_t sealing_id = 0;           ///< 0: ask the store before sealing
  std::map<std::uint32_t, ports::TenantKeyPtr> keys;

  ports::TenantKeyPtr find(std::uint32_t id) const {
    const auto found = keys.find(id);
    return found == keys.end() ? nullptr : found->second;
  }
};

/// The most recently used tenants' key sets, each for a limited time. Any thread. Time is an
/// argument.
class KeyCache {
 public:
  using Time = runtime::Clock::time_point;

  KeyCache(std::size_t tenants_max, runtime::Clock::duration lifetime)
      : tenants_max_(tenants_max), lifetime_(lifetime) {}

  std::optional<KeySet> find(const crypto::Tenant& owner, Time now);
  /// Value of the erasure clock: read it before the database is asked, hand it to put().
  std::uint64_t epoch() const;
  /// Ignored when a tenant was forgotten since `epoch`: the set may be older than its erasure.
  void put(const crypto::Tenant& owner, KeySet keys, Time now, std::uint64_t epoch);
  void forget(const crypto::Tenant& owner);
  void forget_all();
  std::size_t size() const;

 private:
  struct Entry {
    crypto::Tenant owner;
    KeySet keys;
    Time expires;
  };
  using Entries = std::list<Entry>;       // most recently used first

  const std::size_t tenants_max_;
  const runtime::Clock::duration lifetime_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::map<crypto::Tenant, Entries::iterator> by_owner_;
  std::uint64_t epoch_ = 0;
};

}  // namespace memseal::lifecycle
