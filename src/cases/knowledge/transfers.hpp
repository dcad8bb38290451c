#pragma once
// The uploads that go on in this process, so that one user can take neither the disk nor the
// connections of all.
#include "pure/crypto/tenant.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace memseal::knowledge {

/// Counts the uploads of each tenant and their bytes. Thread: any.
/// NOTE: each process counts its own.
class Uploads {
 public:
  /// One upload that goes on. Lifetime: the Uploads outlives it.
  class Ticket {
   public:
    ~Ticket();
    Ticket(Ticket&& other) noexcept
        : uploads_(std::exchange(other.uploads_, nullptr)),
          owner_(other.owner_),
          bytes_(other.bytes_) {}
    Ticket& operator=(Ticket&&) = delete;

    /// Adds to this upload's bytes. Returns the bytes of all uploads of its tenant.
    std::int64_t charge(std::int64_t bytes);

   private:
    friend class Uploads;
    Ticket(Uploads& uploads, crypto::Tenant owner) : uploads_(&uploads), owner_(owner) {}
    Uploads* uploads_;
    crypto::Tenant owner_;
    std::int64_t bytes_ = 0;
  };

  /// Empty when the tenant has `most` uploads already.
  std::optional<Ticket> admit(crypto::Tenant owner, std::int64_t most);

 private:
  struct Sum {
    std::int64_t uploads = 0, bytes = 0;
  };
  std::mutex mutex_;
  std::map<crypto::Tenant, Sum> sums_;  // of tenants that upload now
};

}  // namespace memseal::knowledge
