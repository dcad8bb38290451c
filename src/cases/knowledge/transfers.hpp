#pragma once
// The uploads, or the downloads, that go on in this process, so that one user can take neither the
// disk nor the connections of all.
#include "pure/crypto/tenant.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace memseal::knowledge {

/// Counts the transfers of each tenant and their bytes. Thread: any.
/// NOTE: each process counts its own.
class Transfers {
 public:
  /// One transfer that goes on. Lifetime: the Transfers outlives it.
  class Ticket {
   public:
    ~Ticket();
    Ticket(Ticket&& other) noexcept
        : all_(std::exchange(other.all_, nullptr)),
          owner_(other.owner_),
          bytes_(other.bytes_) {}
    Ticket& operator=(Ticket&&) = delete;

    /// Adds to this transfer's bytes. Returns the bytes of all transfers of its tenant.
    std::int64_t charge(std::int64_t bytes);

   private:
    friend class Transfers;
    Ticket(Transfers& all, crypto::Tenant owner) : all_(&all), owner_(owner) {}
    Transfers* all_;
    crypto::Tenant owner_;
    std::int64_t bytes_ = 0;
  };

  /// Empty when the tenant has `most` transfers already.
  std::optional<Ticket> admit(crypto::Tenant owner, std::int64_t most);

 private:
  struct Sum {
    std::int64_t count = 0, bytes = 0;
  };
  std::mutex mutex_;
  std::map<crypto::Tenant, Sum> sums_;  // of tenants that have a transfer now
};

}  // namespace memseal::knowledge
