#pragma once
#include "base/ids.hpp"
#include "base/secret.hpp"

namespace memseal::crypto {

/// Proof that a user id went through the keyed hash. Every statement, seal and open needs one.
/// NOTE: only a TenantKeyer makes one, so `grep TenantKeyer` finds every place that decides about
///       tenancy.
class Tenant {
 public:
  const UserHash& hash() const noexcept { return hash_; }
  friend bool operator==(const Tenant&, const Tenant&) = default;
  friend auto operator<=>(const Tenant&, const Tenant&) = default;

 private:
  friend class TenantKeyer;
  explicit Tenant(UserHash hash) : hash_(hash) {}
  UserHash hash_;
};

/// The only maker of Tenant: user_hash = HMAC-SHA256(K_uid, user id bytes as received). Immutable.
/// Thread: any.
class TenantKeyer {
 public:
  /// REQUIRES: `key` (MEMORY_TENANT_HMAC_KEY) has 32 bytes or more.
  explicit TenantKeyer(SecretBytes key);
  Tenant tenant_of(const UserId& user) const;
  /// The tenant of a hash that tenant_of() gave and this deployment wrote down, e.g. as the key of
  /// a dead letter. For an operator's commands only: a request or an event never names a hash.
  Tenant tenant_of_hash(const UserHash& hash) const { return Tenant(hash); }

 private:
  SecretBytes key_;
};

/// Derives the ids of chunks and events. The same input always gives the same id, so that a replay
/// changes nothing. Immutable.
/// Thread: any.
class IdDeriver {
 public:
  /// REQUIRES: `key` has 32 bytes or more.
  explicit IdDeriver(SecretBytes key);
  /// HMAC(K_ev, "chunk" ‖ user_hash ‖ SHA-256(doc_id) ‖ revision ‖ chunk_index), as a UUID v8.
  Uuid chunk_id(const Tenant& owner, const DocId& doc, std::int64_t revision,
                std::int32_t chunk_index) const;
  /// Identity of one event of one user: HMAC(K_ev, "event" ‖ user_hash ‖ len ‖ source ‖ id).
  Uuid event_id(const Tenant& owner, std::string_view source, std::string_view id) const;

 private:
  SecretBytes key_;
};

}  // namespace memseal::crypto
