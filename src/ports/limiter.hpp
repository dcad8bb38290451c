#pragma once
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace memseal::ports {

namespace asio = boost::asio;

/// What a request takes from. Each user has one bucket of each kind, so that what an application
/// stores does not keep it from asking.
enum class Bucket { query, write, inference, metrics };
inline constexpr std::size_t bucket_count = 4;

constexpr std::string_view bucket_name(Bucket bucket) noexcept {
  constexpr std::array<std::string_view, bucket_count> names{"query", "write", "inference",
                                                             "metrics"};
  return names[static_cast<std::size_t>(bucket)];
}

/// One limit of a bucket, in the terms of the rate-limit headers.
struct Level {
  std::int64_t limit = 0;          ///< of a full bucket; 0: the bucket has no such limit
  std::int64_t remaining = 0;      ///< after this request
  std::int64_t reset_s = 0;        ///< seconds until the bucket is full again
  std::int64_t retry_after_s = 0;  ///< seconds until there is room for the request; 0: there is
};

/// The answer of a user's bucket.
struct Admission {
  bool allowed = false;
  std::int64_t window_s = 0;  ///< seconds in which an empty bucket fills
  Level requests;
  Level tokens;           ///< of the texts in the requests
  bool degraded = false;  ///< the shared bucket was unavailable: a local one decided
};

/// Takes requests, and the tokens of their texts, from a user's buckets. Never throws and never
/// answers "unlimited": when the shared bucket is unavailable, one inside this process takes over.
class Limiter {
 public:
  virtual ~Limiter() = default;
  /// Takes one request and `tokens`, or nothing. A request that needs more tokens than a full
  /// bucket holds takes the full bucket, because it could never pass otherwise.
  virtual asio::awaitable<Admission> admit(runtime::RequestContext context, crypto::Tenant who,
                                           Bucket bucket, std::int64_t tokens) = 0;
  /// The refusal of any request to that bucket, where this process knows that the bucket is empty.
  /// Takes nothing and does no I/O.
  virtual std::optional<Admission> known_refusal(const crypto::Tenant& who, Bucket bucket) = 0;
};

}  // namespace memseal::ports
