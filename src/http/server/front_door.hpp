#pragma once
// What one address, one user and all requests together may take of a process, so that nobody takes
// everything.
#include "http/server/http_metrics.hpp"
#include "pure/crypto/tenant.hpp"

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace memseal::http {

/// Counts what each of many has under way, up to a bound for each.
/// Thread: any. Memory: only of those that have something.
template <class Key>
class Places {
 public:
  explicit Places(std::size_t most) : most_(most) {}

  /// One place, while this object lives. REQUIRES: the Places outlive it.
  class Place {
   public:
    Place(Place&& other) noexcept
        : places_(std::exchange(other.places_, nullptr)), of_(std::move(other.of_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (places_ != nullptr) places_->leave(of_);
    }

   private:
    friend class Places;
    Place(Places* places, Key of) : places_(places), of_(std::move(of)) {}
    Places* places_;
    Key of_;
  };

  /// Empty where `key` has all of its places.
  std::optional<Place> enter(const Key& key) {
    const std::lock_guard lock(mutex_);
    auto& taken = taken_[key];
    if (taken >= most_) return std::nullopt;
    ++taken;
    return Place(this, key);
  }

 private:
  void leave(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = taken_.find(key);
    if (--found->second == 0) taken_.erase(found);
  }

  const std::size_t most_;
  std::mutex mutex_;  // never held across a wait
  std::map<Key, std::size_t> taken_;
};

/// Whose share bytes are taken of: a user's, or that of all who have shown no token (empty).
using ByteHolder = std::optional<crypto::Tenant>;

/// Bytes of all requests and answers that a process holds. Thread: any. Memory: only of those that
/// hold something.
class ByteBudget {
 public:
  /// `share`: what one holder may have of `most`.
  ByteBudget(std::size_t most, std::size_t share, runtime::Gauge& held)
      : most_(most), share_(share), gauge_(held) {}

  /// False, and nothing is taken, where so many are not left of all, or of the holder's share.
  bool take(const ByteHolder& holder, std::size_t bytes);
  /// Takes them whatever is left: they are there already, and others must make room.
  void add(const ByteHolder& holder, std::size_t bytes);
  /// REQUIRES: so many were taken.
  void give(const ByteHolder& holder, std::size_t bytes);

 private:
  const std::size_t most_, share_;
  runtime::Gauge& gauge_;
  std::mutex mutex_;  // never held across a wait
  std::size_t held_ = 0;
  std::map<ByteHolder, std::size_t> held_by_;
};

/// A body and an answer of so many bytes count for nothing: each connection has them anyway, and
/// whoever takes all the rest keeps no small request from being answered, least of all a probe.
inline constexpr std::size_t uncounted_bytes_max = 65'536;

struct FrontDoorLimits {
  static constexpr auto unlimited = std::numeric_limits<std::size_t>::max();

  std::size_t connections_per_address = unlimited;
  std::size_t requests_per_user = unlimited;  ///< under way at one time
  std::size_t bytes = unlimited;              ///< of bodies, and of answers until they are sent
  std::size_t bytes_per_holder = unlimited;   ///< of `bytes`
};

/// Whose connections count together: an IPv4 address, or the network of 64 bits of an IPv6 one,
/// whose owner has all the addresses in it.
using PeerNetwork = std::array<std::uint8_t, 16>;
PeerNetwork network_of(const boost::asio::ip::address& address) noexcept;

/// The limits of one process, which its Servers share. Thread: any.
struct FrontDoor {
  /// `metrics` outlives it.
  FrontDoor(const FrontDoorLimits& limits, HttpMetrics& metrics)
      : addresses(limits.connections_per_address),
        users(limits.requests_per_user),
        bytes(limits.bytes, limits.bytes_per_holder, metrics.bytes_held) {}

  Places<PeerNetwork> addresses;
  Places<crypto::Tenant> users;
  ByteBudget bytes;
};

}  // namespace memseal::http
