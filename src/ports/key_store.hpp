#pragma once
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// One generation of a tenant's key as its row holds it.
struct KeyRow {
  crypto::WrappedKey key;
  bool active = false;  ///< false: the key opens old blobs and seals nothing new
};

/// The key rows of one tenant inside one transaction.
/// Thread: the one that calls the work below; every method blocks. Exceptions of a method must
/// pass through the work, because they roll the transaction back.
class KeyRows {
 public:
  virtual ~KeyRows() = default;
  /// Whether the tenant has a row, erased or not. Locks nothing.
  virtual bool knows_tenant() = 0;
  /// Whether the tenant is a tombstone. Locks nothing.
  virtual bool is_erased() = 0;
  /// Makes the tenant's row where there is none and locks the row against erasure until the
  /// transaction ends. False: the tenant is erased.
  virtual bool lock_tenant() = 0;
  /// Number of seals counted since the active key began. Locks the counter until the transaction
  /// ends, so that two makers of keys take turns. REQUIRES: lock_tenant() was true.
  virtual std::int64_t lock_seal_count() = 0;
  virtual void restart_seal_count() = 0;
  /// Every key that may still open blobs, in no order.
  virtual std::vector<KeyRow> read() = 0;
  /// Highest generation ever made, also of keys that read() leaves out; 0: none.
  virtual std::uint32_t newest_id() = 0;
  /// The check value that is recorded of a KEK (Keyring::kek_checks()); none: nothing is known.
  virtual std::optional<crypto::KeyCheckValue> kek_check(std::uint32_t epoch) = 0;
  /// Adds an active key. Does nothing where the tenant has this generation already.
  virtual void insert_if_absent(const crypto::WrappedKey& key) = 0;
  /// Active keys become keys for opening only. Tells every process to forget the tenant's keys when
  /// the transaction commits.
  virtual void end_active() = 0;
};

/// Where wrapped keys lie. This port reads and writes rows; cases/lifecycle decides about them.
class KeyStore {
 public:
  virtual ~KeyStore() = default;
  /// Runs `work` once in one transaction of `owner`, on a thread of the store, and commits.
  /// REQUIRES: `work` owns what it touches, because the caller may stop waiting before it ends.
  /// Throws Failure; then nothing was committed.
  virtual asio::awaitable<void> in_transaction(runtime::RequestContext context,
                                               crypto::Tenant owner,
                                               std::function<void(KeyRows&)> work) = 0;
};

}  // namespace memseal::ports
