#pragma once
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>

namespace memseal::ports {

namespace asio = boost::asio;

/// The answer of a user's token bucket, in the terms of the rate-limit headers.
struct Admission {
  bool allowed = false;
  std::int64_t limit = 0;  ///< tokens of a full bucket
  std::int64_t remaining = 0;
  std::int64_t window_s = 0;       ///< seconds in which an empty bucket fills
  std::int64_t reset_s = 0;        ///< seconds until the bucket is full again
  std::int64_t retry_after_s = 0;  ///< seconds until one token is there; 0 when allowed
  bool degraded = false;           ///< the shared bucket was unavailable: a local one decided
};

/// Takes one token from a user's bucket. Never throws and never answers "unlimited": when the
/// shared bucket is unavailable, one inside this process takes over.
class Limiter {
 public:
  virtual ~Limiter() = default;
  virtual asio::awaitable<Admission> admit(runtime::RequestContext context, crypto::Tenant who) = 0;
};

}  // namespace memseal::ports
