#pragma once
// Terms of one tenant as numbers, so that an index in memory holds no word.
#include "pure/crypto/sealer.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace memseal::crypto {

inline constexpr std::size_t term_hash_bytes = 5;

/// The first 40 bits of HMAC-SHA256(HKDF(DEK, "memseal/terms/v1"), term). Two keys, of two tenants
/// or of two generations, give a term unrelated hashes. Of 100,000 terms of a tenant two have one
/// hash with a chance of 1 in 220; a question then finds a word too much, and nothing else happens.
/// Thread: one at a time. Throws Refused{bad_config} where OpenSSL cannot compute.
class TermHasher {
 public:
  explicit TermHasher(const TenantKey& key);
  ~TermHasher();
  TermHasher(TermHasher&&) noexcept;

  std::uint64_t hash(std::string_view term) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memseal::crypto
