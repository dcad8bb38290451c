#pragma once
// Which of two releases a proxy sends a user's requests to.
#include <cstdint>
#include <string>

namespace memseal::ports {

/// A place for a release behind the proxy. One is stable; the other one takes the canary.
enum class Slot { a, b };
constexpr Slot other_slot(Slot slot) noexcept { return slot == Slot::a ? Slot::b : Slot::a; }
/// "a" or "b".
constexpr const char* slot_name(Slot slot) noexcept { return slot == Slot::a ? "a" : "b"; }

/// What the proxy follows.
struct TrafficState {
  static constexpr int every_user = 10'000;

  Slot stable = Slot::a, canary = Slot::b;
  int users = 0;  ///< of every_user, that the canary gets; a share of users, not of requests
  /// Unix seconds. From then on the canary gets nobody, whatever `users` says: who set it is gone.
  std::int64_t lease_until_s = 0;
  /// Names the rollout, and decides which users are the first ones. Letters, digits and dashes.
  std::string rollout;

  friend bool operator==(const TrafficState&, const TrafficState&) = default;
};

/// What the proxy itself saw of a slot since the proxy began.
struct TrafficCounts {
  std::uint64_t requests = 0;
  std::uint64_t server_errors = 0;  ///< responses of 5xx, its own included
  std::uint64_t cut = 0;            ///< responses that the release did not end
  std::uint64_t active = 0;         ///< requests that go on now
};

/// A proxy before both releases. A user stays on one release while `users` stays, and a user of the
/// canary stays there while it grows. Each call blocks for a few seconds at most.
/// Every call throws Outage{unavailable} where the proxy does not answer, and Refused{bad_config}
/// where it is not set up for this.
/// Thread: one at a time.
class Traffic {
 public:
  virtual ~Traffic() = default;
  virtual TrafficState read() = 0;
  /// Returns once the proxy has confirmed `state`. In between there is no moment without a release
  /// for a request, and none in which a release gets users that neither state gives it.
  virtual void write(const TrafficState& state) = 0;
  virtual TrafficCounts counts(Slot slot) = 0;
};

}  // namespace memseal::ports
