#pragma once
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>

namespace memseal::ports {

namespace asio = boost::asio;

using TenantKeyPtr = std::shared_ptr<const crypto::TenantKey>;

/// Hands out tenants' content keys, unwrapped and cached for a short time.
class TenantKeys {
 public:
  virtual ~TenantKeys() = default;
  /// The key to seal with; makes the tenant's first one. Throws Refused{tenant_erased} for
  /// an erased tenant, Outage{unavailable} when the database is unavailable.
  virtual asio::awaitable<TenantKeyPtr> sealing_key(runtime::RequestContext context,
                                                    crypto::Tenant owner) = 0;
  /// The key to seal with of a tenant that has a row; null for any other. Makes no tenant.
  /// Throws as sealing_key().
  virtual asio::awaitable<TenantKeyPtr> known_sealing_key(runtime::RequestContext context,
                                                          crypto::Tenant owner) = 0;
  /// The key of one generation, to open with; null when this tenant has none such. Throws as
  /// sealing_key().
  virtual asio::awaitable<TenantKeyPtr> opening_key(runtime::RequestContext context,
                                                    crypto::Tenant owner, std::uint32_t key_id) = 0;
};

}  // namespace memseal::ports
