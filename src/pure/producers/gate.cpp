#include "pure/producers/gate.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <charconv>

namespace memseal::producers {

namespace {

constexpr std::string_view original_topic_header = "memseal-original-topic";

struct Headed {
  std::optional<std::string_view> value;
  bool twice = false;
};

Headed find_header(const Headers& headers, std::string_view name) {
  Headed found;
  for (const auto& [key, value] : headers) {
    if (key != name) continue;
    found.twice = found.value.has_value();
    found.value = value;
  }
  return found;
}

/// The signature of `purpose`: one header with one in its one spelling. `absent` says why not.
std::optional<Signature> signature_of(const Headers& headers, Purpose purpose, bool& absent) {
  const auto header = find_header(headers, header_of(purpose));
  absent = !header.value;
  return absent || header.twice ? std::nullopt : parse_signature(*header.value);
}

bool says_replay(const Headers& headers) {
  return std::any_of(headers.begin(), headers.end(), [](const auto& header) {
    return header.first == wire::replay_signature_header ||
           header.first.starts_with(wire::replay_header_prefix);
  });
}

std::optional<std::int64_t> time_of(const Headed& header) {
  if (!header.value || header.twice) return std::nullopt;
  const auto text = *header.value;
  std::int64_t time_ms = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), time_ms);
  const bool is_time = read.ec == std::errc{} && read.ptr == text.data() + text.size();
  return is_time && time_ms > 0 ? std::optional(time_ms) : std::nullopt;
}

}  // namespace

bool is_signed_replay(const SignedEvent& event, const crypto::VerifyingKey& own) {
  bool absent = false;
  const auto signature = signature_of(event.headers, Purpose::replay, absent);
  return signature && signature->key_id == own_name &&
         own.verify(signed_message(event, Purpose::replay, own_name, signature->time_ms),
                    signature->bytes);
}

std::string_view verdict_name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::accepted:
      return "accepted";
    case Verdict::absent:
      return "absent";
    case Verdict::malformed:
      return "malformed";
    case Verdict::unknown_key:
      return "unknown_key";
    case Verdict::revoked:
      return "revoked";
    case Verdict::not_genuine:
      return "not_genuine";
    case Verdict::old:
      return "old";
    case Verdict::ahead:
      return "ahead";
    case Verdict::replay:
      return "replay";
    case Verdict::topic:
      return "topic";
    case Verdict::source:
      return "source";
    case Verdict::tenant:
      return "tenant";
  }
  return "";
}

Error error_of(Verdict verdict) {
  const auto invalid = [](std::string message) {
    return Error{Errc::signature_invalid, std::move(message), std::string(wire::signature_header)};
  };
  const auto denied = [](std::string message, std::string field) {
    return Error{Errc::producer_denied, std::move(message), std::move(field)};
  };
  switch (verdict) {
    case Verdict::accepted:
      break;
    case Verdict::absent:
      return invalid("the event carries no signature of a producer");
    case Verdict::malformed:
      return invalid("the event's signature is malformed");
    case Verdict::unknown_key:
      return invalid("the event is signed by a key that is not registered");
    case Verdict::revoked:
      return invalid("the event is signed by a key that was revoked");
    case Verdict::not_genuine:
      return invalid("the signature is not one of this event");
    case Verdict::old:
      return invalid("the event was signed too long ago");
    case Verdict::ahead:
      return invalid("the event was signed in the future: correct the producer's clock");
    case Verdict::replay:
      return invalid("only the service may mark an event as replayed: use `memseal dlq replay`");
    case Verdict::topic:
      return denied("the producer may not write to this topic", "topic");
    case Verdict::source:
      return denied("is not one that this producer may use", "/source");
    case Verdict::tenant:
      return denied("is a user for whom this producer may not write", "/subject");
  }
  MEMSEAL_ASSERT(false);
}

Gate::Gate(crypto::VerifyingKey own, GateRules rules)
    : own_(std::move(own)), rules_(rules), registry_(std::make_shared<const Registry>()) {}

void Gate::replace(std::shared_ptr<const Registry> registry) {
  MEMSEAL_ASSERT(registry);
  const std::lock_guard lock(mutex_);
  registry_ = std::move(registry);
}

std::shared_ptr<const Registry> Gate::registry() const {
  const std::lock_guard lock(mutex_);
  return registry_;
}

// A broker's time cannot be chosen by whoever writes. The record's own time can, so that where no
// broker gave one, this machine's clock at reading counts. A replay comes much later than its
// event: there the time counts at which the service refused the event, as the service has signed.
Verdict Gate::check_time(const Presented& presented, std::int64_t signed_ms, bool is_own,
                         const Place* replay, std::int64_t now_ms) const {
  // An own event that is refused would be one that a client was told is accepted, so a wrong clock
  // of one host must not do it.
  const auto window = (is_own ? std::max(rules_.window, rules_.own_window) : rules_.window).count();
  const bool by_broker = presented.has_broker_time && replay == nullptr;
  const auto reference_ms = replay      ? std::min(replay->refused_at_ms.value_or(now_ms), now_ms)
                            : by_broker ? presented.record_time_ms
                                        : now_ms;
  if (signed_ms > reference_ms + window) return Verdict::ahead;
  if (is_own && !by_broker) return Verdict::accepted;
  const auto age_max = by_broker ? window : rules_.age_max.count();
  return signed_ms < reference_ms - age_max ? Verdict::old : Verdict::accepted;
}

// Cheap checks first, because whoever can write to the topic can make this process verify.
Verdict Gate::verify(const Presented& presented, Purpose purpose, const Place& place,
                     const Registry& registry, std::int64_t now_ms,
                     std::optional<Key>& signer) const {
  bool absent = false;
  const auto signature = signature_of(presented.event.headers, purpose, absent);
  if (!signature) return absent ? Verdict::absent : Verdict::malformed;
  if (signature->key_id == own_name) {
    signer.emplace(Key{own_, nullptr});
  } else if (const auto found = registry.find(signature->key_id);
             found && purpose == Purpose::event) {
    // Whatever time the signature names: who has a leaked key also chooses the time.
    if (!found->key.revoked.empty()) return Verdict::revoked;
    signer.emplace(Key{found->key.key, &found->producer});
  } else {
    return Verdict::unknown_key;
  }
  const bool is_own = signer->producer == nullptr;
  const auto* replay = place.is_replay && purpose == Purpose::event ? &place : nullptr;
  const auto in_time = check_time(presented, signature->time_ms, is_own, replay, now_ms);
  if (in_time != Verdict::accepted) return in_time;
  auto event = presented.event;
  if (purpose == Purpose::event) event.topic = place.topic;
  const auto message = signed_message(event, purpose, signature->key_id, signature->time_ms);
  return signer->key.verify(message, signature->bytes) ? Verdict::accepted : Verdict::not_genuine;
}

Verdict Gate::judge(const Presented& presented, std::int64_t now_ms) const {
  const auto registry = this->registry();  // One for the whole event.
  std::optional<Key> signer;
  const auto verdict = examine(presented, now_ms, *registry, signer);
  const bool is_own = signer && signer->producer == nullptr;
  if (is_own && verdict == Verdict::accepted) return verdict;
  const std::lock_guard lock(mutex_);
  ++admissions_[{signer && !is_own ? signer->producer->name : std::string(), verdict}];
  return verdict;
}

std::vector<Admission> Gate::take_admissions() const {
  std::map<std::pair<std::string, Verdict>, std::int64_t> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(admissions_);
  }
  std::vector<Admission> admissions;
  for (const auto& [key, count] : taken) admissions.push_back({key.first, key.second, count});
  return admissions;
}

Verdict Gate::examine(const Presented& presented, std::int64_t now_ms, const Registry& registry,
                      std::optional<Key>& signer) const {
  const auto& headers = presented.event.headers;
  Place place{presented.event.topic};
  if (says_replay(headers)) {
    // A replay decides which of two versions stays, so that only the service may say so. It vouches
    // for where and when the event was new, and for nothing else.
    std::optional<Key> replayer;
    const auto replay = verify(presented, Purpose::replay, place, registry, now_ms, replayer);
    if (replay != Verdict::accepted) return Verdict::replay;
    place.is_replay = true;
    const auto topic = find_header(headers, original_topic_header);
    if (topic.twice) return Verdict::replay;  // Another reader might take the other one.
    if (topic.value) place.topic = *topic.value;
    place.refused_at_ms = time_of(find_header(headers, wire::refused_at_header));
  }
  const auto verdict = verify(presented, Purpose::event, place, registry, now_ms, signer);
  if (verdict != Verdict::accepted) {
    signer.reset();  // Whoever claims a key need not have it.
    return verdict;
  }
  const auto* producer = signer->producer;
  if (producer == nullptr) return Verdict::accepted;
  if (!fits(producer->topics, place.topic)) return Verdict::topic;
  const auto source = presented.event.source;
  // Both are claims to be the service itself: an event that came by HTTP has passed a token, which
  // no producer has.
  if (presented.says_api || source.starts_with(own_source_prefix) ||
      !fits(producer->sources, source))
    return Verdict::source;
  if (presented.user && !fits(producer->tenants, *presented.user)) return Verdict::tenant;
  return Verdict::accepted;
}

}  // namespace memseal::producers
