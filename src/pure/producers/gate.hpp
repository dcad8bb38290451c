#pragma once
// Judges who sent an event, and whether that producer may write it.
#include "base/result.hpp"
#include "pure/producers/registry.hpp"
#include "pure/producers/signature.hpp"
#include "pure/producers/windows.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::producers {

/// What the gate found.
enum class Verdict {
  accepted,
  absent,       ///< no signature
  malformed,    ///< no signature in its one spelling, or two headers with one
  unknown_key,  ///< no registered key has this id
  revoked,
  not_genuine,  ///< the event is not what was signed, or another key signed it
  old,          ///< signed too long ago
  ahead,        ///< signed in the future
  replay,       ///< says that it is a replay, and the service did not sign that
  topic,        ///< the producer may not write to this topic
  source,       ///< it may not use this source, or not say that the event came by HTTP
  tenant,       ///< it may not write for this user
};
inline constexpr std::array verdicts{Verdict::accepted,    Verdict::absent,  Verdict::malformed,
                                     Verdict::unknown_key, Verdict::revoked, Verdict::not_genuine,
                                     Verdict::old,         Verdict::ahead,   Verdict::replay,
                                     Verdict::topic,       Verdict::source,  Verdict::tenant};

std::string_view verdict_name(Verdict verdict) noexcept;

struct GateRules {
  /// How far the time of a signature may be from the broker's time of the record, either way.
  std::chrono::milliseconds window = signature_window;
  /// Where no broker gave the record a time: how long ago it may have been signed when it is read,
  /// or, of a replay, when it was first refused. An event may wait in Kafka for as long, and the
  /// ledger stops copies of it. The service's own events may wait without end, because a client was
  /// told that they are accepted.
  std::chrono::milliseconds age_max = signature_age;
  /// The window of the service's own events, whose hosts may have a wrong clock.
  std::chrono::milliseconds own_window = std::chrono::hours(24);
};

/// A record as it came, and what was read of it.
struct Presented {
  SignedEvent event;
  std::optional<std::string_view> user;  ///< empty where the event names none
  bool says_api = false;                 ///< the event says that it came by HTTP
  std::int64_t record_time_ms = 0;
  bool has_broker_time = false;  ///< record_time_ms is the broker's clock
};

/// How often the gate decided so. The producer is named only where it is proven: an event that
/// carries no sound signature is nobody's.
struct Admission {
  std::string producer;  ///< empty: not proven
  Verdict verdict;
  std::int64_t count = 0;
};

/// Holds the registry, which may be replaced at any time.
/// Thread: any. Time: one SHA-256 of the value and one verification; two of each for a replay.
class Gate {
 public:
  /// `own` verifies what the service itself signs.
  Gate(crypto::VerifyingKey own, GateRules rules);

  void replace(std::shared_ptr<const Registry> registry);
  std::shared_ptr<const Registry> registry() const;

  /// `now_ms`: Unix time. A value but `accepted` refuses the event.
  Verdict judge(const Presented& presented, std::int64_t now_ms) const;

  /// What was judged since the last call, without the service's own events; the gate forgets it. At
  /// most one entry for each verdict and registered producer.
  std::vector<Admission> take_admissions() const;

 private:
  struct Key {
    const crypto::VerifyingKey& key;
    const Producer* producer;  ///< null: the service itself
  };
  struct Place {
    std::string_view topic;  ///< where the event was new
    bool is_replay = false;
    std::optional<std::int64_t> refused_at_ms;  ///< of a replay that says so
  };
  /// `signer`: who signed the event, once that is proven.
  Verdict examine(const Presented& presented, std::int64_t now_ms, const Registry& registry,
                  std::optional<Key>& signer) const;
  Verdict verify(const Presented& presented, Purpose purpose, const Place& place,
                 const Registry& registry, std::int64_t now_ms, std::optional<Key>& signer) const;
  Verdict check_time(const Presented& presented, std::int64_t signed_ms, bool is_own,
                     const Place* replay, std::int64_t now_ms) const;

  const crypto::VerifyingKey own_;
  const GateRules rules_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Registry> registry_;  // never null
  mutable std::map<std::pair<std::string, Verdict>, std::int64_t> admissions_;  // under mutex_
};

/// True if the service itself signed that `event` is replayed, so that what its headers
/// memseal-original-* say can be believed. `own` verifies what the service signs.
bool is_signed_replay(const SignedEvent& event, const crypto::VerifyingKey& own);

/// The error of a verdict that refuses: signature_invalid or producer_denied. Holds nothing of the
/// event.
Error error_of(Verdict verdict);

}  // namespace memseal::producers
