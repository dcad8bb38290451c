#include "cases/lifecycle/internal/key_cache.hpp"

namespace memseal::lifecycle {

std::optional<KeySet> KeyCache::find(const crypto::Tenant& owner, Time now) {
  std::lock_guard lock(mutex_);
  const auto found = by_owner_.find(owner);
  if (found == by_owner_.end()) return std::nullopt;
  // Removed at the look-up, because no timer runs here. Callers that still hold a key of the set
  // keep it through their shared pointer.
  if (found->second->expires <= now) {
    entries_.erase(found->second);
    by_owner_.erase(found);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->keys;
}

std::uint64_t KeyCache::epoch() const {
  std::lock_guard lock(mutex_);
  return epoch_;
}

void KeyCache::put(const crypto::Tenant& owner, KeySet keys, Time now, std::uint64_t epoch) {
  std::lock_guard lock(mutex_);
  // One counter serves all tenants. An erasure thus drops other tenants' sets that are on their
  // way, which costs each of them one more look-up.
  if (epoch != epoch_ || tenants_max_ == 0) return;
  if (const auto found = by_owner_.find(owner); found != by_owner_.end()) {
    entries_.erase(found->second);
    by_owner_.erase(found);
  }
  entries_.push_front({owner, std::move(keys), now + lifetime_});
  by_owner_.emplace(owner, entries_.begin());
  if (entries_.size() > tenants_max_) {
    by_owner_.erase(entries_.back().owner);
    entries_.pop_back();
  }
}

void KeyCache::forget(const crypto::Tenant& owner) {
  std::lock_guard lock(mutex_);
  // Also for a tenant that is not cached: a look-up that has read its keys may be about to call
  // put().
  ++epoch_;
  if (const auto found = by_owner_.find(owner); found != by_owner_.end()) {
    entries_.erase(found->second);
    by_owner_.erase(found);
  }
}

void KeyCache::forget_all() {
  std::lock_guard lock(mutex_);
  ++epoch_;
  by_owner_.clear();
  entries_.clear();
}

std::size_t KeyCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace memseal::lifecycle
