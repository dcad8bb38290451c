#pragma once
// The keys of one tenant, and what is counted and said of a row that they do not open.
#include "cases/query/metrics.hpp"
#include "ports/tenant_keys.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace memseal::query {

namespace asio = boost::asio;

using Keys = std::map<std::uint32_t, ports::TenantKeyPtr>;

/// Caches the keys of one tenant, because its rows share a few generations. A key that the tenant
/// does not have is kept as null, so that many damaged rows cost one look-up and not one each.
/// Everything that it is given outlives it. Thread: the caller's loop.
class KeyRing {
 public:
  KeyRing(ports::TenantKeys& keys, const runtime::RequestContext& context,
          const crypto::Tenant& who)
      : source_(keys), context_(context), who_(who) {}

  asio::awaitable<ports::TenantKeyPtr> get(std::uint32_t key_id);
  /// Keeps the key that `blob` names, if it names one.
  asio::awaitable<void> add(const Bytes& blob);
  /// What was collected, for threads that only read it.
  Keys take() { return std::move(keys_); }

 private:
  ports::TenantKeys& source_;
  const runtime::RequestContext& context_;
  const crypto::Tenant& who_;
  Keys keys_;
};

enum class Unopened { not_a_blob, key_missing, not_authentic };

/// Counts and logs that the row `what` of `who` does not open.
void report_unopened(QueryMetrics& metrics, const runtime::RequestContext& context,
                     const crypto::Tenant& who, Unopened why, const std::string& what);

}  // namespace memseal::query
