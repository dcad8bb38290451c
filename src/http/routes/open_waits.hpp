#pragma once
// Which requests wait until what they wrote can be found.
#include "pure/crypto/tenant.hpp"

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace memseal::http {

/// Counts the waits of one process, because each looks into the database again and again.
/// Thread: any.
class OpenWaits {
 public:
  static constexpr std::size_t waits_max = 64, tenant_waits_max = 8;

  explicit OpenWaits(std::size_t most = waits_max, std::size_t most_of_tenant = tenant_waits_max)
      : max_(most), tenant_max_(most_of_tenant) {}

  /// One wait, while this object lives. REQUIRES: the OpenWaits outlives it.
  class Place {
   public:
    Place(Place&& other) noexcept : waits_(std::exchange(other.waits_, nullptr)), of_(other.of_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (waits_ != nullptr) waits_->leave(of_);
    }

   private:
    friend class OpenWaits;
    Place(OpenWaits* waits, const crypto::Tenant& of) : waits_(waits), of_(of) {}
    OpenWaits* waits_;
    crypto::Tenant of_;
  };

  /// Empty where too many wait, of this tenant or of all.
  std::optional<Place> enter(const crypto::Tenant& tenant) {
    const std::lock_guard lock(mutex_);
    if (all_ >= max_) return std::nullopt;
    auto& of_tenant = of_tenants_[tenant];
    if (of_tenant >= tenant_max_) return std::nullopt;
    ++of_tenant;
    ++all_;
    return Place(this, tenant);
  }

 private:
  void leave(const crypto::Tenant& tenant) {
    const std::lock_guard lock(mutex_);
    --all_;
    const auto found = of_tenants_.find(tenant);
    if (--found->second == 0) of_tenants_.erase(found);
  }

  const std::size_t max_, tenant_max_;
  std::mutex mutex_;  // never held across a wait
  std::size_t all_ = 0;
  std::map<crypto::Tenant, std::size_t> of_tenants_;
};

}  // namespace memseal::http
