#pragma once
#include "fakes/fault_script.hpp"
#include "ports/tenant_keys.hpp"

#include <cstdint>
#include <memory>
#include <set>

namespace memseal::fakes {

/// Makes each generation of a tenant's key from the tenant's hash.
class TenantKeys final : public ports::TenantKeys {
 public:
  asio::awaitable<ports::TenantKeyPtr> sealing_key(runtime::RequestContext,
                                                   crypto::Tenant owner) override {
    co_await faults.play();
    if (erased.contains(owner)) throw Refused({Errc::tenant_erased, "erased"});
    co_return key_of(owner, sealing_id);
  }
  asio::awaitable<ports::TenantKeyPtr> known_sealing_key(runtime::RequestContext context,
                                                         crypto::Tenant owner) override {
    if (strangers.contains(owner)) co_return nullptr;
    co_return co_await sealing_key(std::move(context), owner);
  }
  asio::awaitable<ports::TenantKeyPtr> opening_key(runtime::RequestContext, crypto::Tenant owner,
                                                   std::uint32_t key_id) override {
    ++opened;
    co_await faults.play();
    if (forgotten.contains(key_id) || erased.contains(owner)) co_return nullptr;
    co_return key_of(owner, key_id);
  }

  static ports::TenantKeyPtr key_of(const crypto::Tenant& owner, std::uint32_t key_id = 1) {
    auto bytes = owner.hash().bytes;
    bytes.back() ^= static_cast<std::uint8_t>(key_id);  // no two generations share a key
    auto key = std::make_shared<crypto::TenantKey>();
    key->id = key_id;
    key->key = SecretBytes(ByteView(bytes));
    return key;
  }

  FaultScript faults;
  std::set<crypto::Tenant> erased;
  std::set<crypto::Tenant> strangers;  ///< have no row
  std::set<std::uint32_t> forgotten;  ///< generations that open nothing
  std::uint32_t sealing_id = 1;       ///< the generation that seals
  int opened = 0;                     ///< calls of opening_key()
};

}  // namespace memseal::fakes
