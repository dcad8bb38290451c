#include "cases/canary/controller.hpp"

#include "cases/canary/reasons.hpp"

#include <algorithm>
#include <exception>

namespace memseal::canary {

namespace {

/// The name in the files of the proxy, which it has after a reload.
constexpr std::string_view no_rollout = "none";
constexpr const char* signal_asked = "a signal asked the controller to end";

std::string sentence_of_current_exception() {
  try {
    throw;
  } catch (const std::exception& failure) {
    return failure.what();
  } catch (...) {
    return "of an unknown kind";
  }
}

}  // namespace

Controller::Controller(State state, ports::Traffic& traffic, World& world)
    : state_(std::move(state)),
      traffic_(traffic),
      world_(world),
      rollout_(state_.plan),
      stable_(state_.stable_urls.size()),
      canary_(state_.canary_urls.size()) {}

Outcome Controller::run() { return guarded(&Controller::begin); }
Outcome Controller::resume() { return guarded(&Controller::pick_up); }

Outcome Controller::guarded(Outcome (Controller::*body)()) {
  try {
    return (this->*body)();
  } catch (...) {
    // A bug of the judge, a full disk: neither may leave users on a release that nobody watches.
    const auto why = sentence_of_current_exception();
    if (!claimed_) return {.reasons = {why}};
    write_no_users();  // first, because the record may be what fails
    return take_users_off(Verdict::aborted, {"the controller failed: " + why});
  }
}

ports::TrafficState Controller::wanted(int percent) const {
  const auto lease_s = static_cast<std::int64_t>(state_.lease_s);
  // The lease is what protects users from a dead controller: HAProxy compares it with its own clock
  // and gives the canary to nobody once it is over. With no users there is nothing to protect, so
  // 0.
  return {.stable = ports::other_slot(state_.canary),
          .canary = state_.canary,
          .users = percent * ports::TrafficState::every_user / 100,
          .lease_until_s = percent > 0 ? world_.unix_s() + lease_s : 0,
          .rollout = state_.rollout};
}

std::optional<std::string> Controller::check_proxy() {
  const auto now = traffic_.read();
  // A rollout whose lease is over has no living controller, so this one may take its place.
  if (now.users > 0 && now.lease_until_s > world_.unix_s())
    return "the rollout " + now.rollout + " goes on at this proxy; `memseal canary abort` ends it";
  state_.canary = ports::other_slot(now.stable);
  claimed_ = true;
  traffic_.write(wanted(0));
  // Read once, so that a proxy without one of the two backends is refused here and not when the
  // first users are on the canary.
  traffic_.counts(ports::Slot::a);
  traffic_.counts(ports::Slot::b);
  return {};
}

std::optional<std::string> Controller::check_metrics() {
  for (const auto* urls : {&state_.stable_urls, &state_.canary_urls})
    for (const auto& url : *urls) {
      const auto text = world_.page(url);
      if (!text) return url + ": " + text.error().message;
      const auto page = read_process_page(*text);
      if (!page) return url + ": " + page.error().message;
      if (page->counts.findings > 0)
        return url + ": the catalog lint has findings; see `memseal doctor`";
    }
  return {};
}

std::optional<std::string> Controller::check_smoke(Verdict& verdict) {
  if (!world_.smoke) return {};
  // A watch of its own, because what the checks do must not count as traffic of users.
  ReleaseWatch watch(state_.canary_urls.size());
  watch.see(read_release(state_.canary_urls), traffic_.counts(state_.canary));
  auto fault = world_.smoke();
  const auto seen =
      watch.see(read_release(state_.canary_urls), traffic_.counts(state_.canary)).value();
  // With a wrong key the checks were about the stable release.
  if (seen.proxied < world_.smoke_requests)
    return "the checks did not reach the canary: is the key that of the proxy (SMOKE_KEY)?";
  if (!fault && seen.rls_errors + seen.aad_mismatches + seen.findings > 0)
    fault = "isolation did not hold while the checks ran: see canary-0-end.prom";
  if (fault) verdict = Verdict::breach;
  return fault;
}

std::optional<Outcome> Controller::prepare() {
  std::optional<std::string> fault;
  auto verdict = Verdict::refused;
  try {
    fault = check_proxy();
    if (!fault) fault = check_metrics();
    if (!fault) fault = check_smoke(verdict);
  } catch (const Failure& failure) {
    fault = failure.error().message;
  }
  if (verdict != Verdict::breach && stopped()) {
    verdict = Verdict::aborted;
    fault = signal_asked;
  }
  if (!fault) return {};
  // No user has seen the canary, so there is nothing to take back.
  return end({.verdict = verdict, .reasons = {*fault}, .users_are_off = true});
}

Outcome Controller::begin() {
  world_.record.note("begun", {{"rollout", state_.rollout}, {"proxy", state_.proxy}});
  if (auto ended = prepare()) return *ended;
  state_.smoked = true;
  world_.record.note("checked", {{"canary", ports::slot_name(state_.canary)},
                                 {"smoke", static_cast<bool>(world_.smoke)}});
  keep_pages("begin");
  began_s_ = world_.steady_s();
  look();  // what was counted before the first user is nobody's fault
  if (auto ended = begin_stage()) return *ended;
  return watch();
}

Outcome Controller::pick_up() {
  if (!rollout_.restore(state_.judged) || !stable_.restore(state_.stable_seen) ||
      !canary_.restore(state_.canary_seen))
    return {.verdict = Verdict::refused,
            .reasons = {"the state does not fit its plan; begin again in another folder"}};
  const auto now = traffic_.read();
  // The controller before this one swapped the slots and died before it could write that down.
  if (now.rollout == state_.rollout && now.stable == state_.canary)
    return end({.verdict = Verdict::promoted, .guardrails = rollout_.guardrails(), .percent = 100});
  if (!is_own(now)) return give_way(now);
  claimed_ = true;
  // The steady clock of another process, or of another boot, has another zero. The time in which
  // nobody looked counts for nothing, so that it cannot prove a stage.
  began_s_ = world_.steady_s() - rollout_.seen_until_s();
  world_.record.note("resumed", {{"percent", static_cast<double>(rollout_.percent())}});
  // What happened while nobody looked may be a breach: users come after the judgement.
  if (auto ended = judge()) return *ended;
  if (auto ended = give_users()) return *ended;
  return watch();
}

bool Controller::is_own(const ports::TrafficState& now) const {
  return (now.rollout == state_.rollout || now.rollout == no_rollout) &&
         now.stable == ports::other_slot(state_.canary);
}

std::string Controller::why_lost(const ports::TrafficState& now) const {
  if (now.rollout != state_.rollout && now.rollout != no_rollout)
    return "the proxy follows another rollout now: " + now.rollout;
  return std::string("the stable slot of the proxy is ") + ports::slot_name(now.stable) +
         " now, which is this rollout's canary";
}

Outcome Controller::give_way(const ports::TrafficState& now) {
  if (now.rollout == aborted_rollout)
    return take_users_off(Verdict::aborted, {"`memseal canary abort`"});
  return end({.verdict = Verdict::aborted, .reasons = {why_lost(now)}});
}

std::optional<Outcome> Controller::begin_stage() {
  world_.record.note("stage", {{"stage", static_cast<double>(rollout_.stage() + 1)},
                               {"percent", static_cast<double>(rollout_.percent())}});
  if (auto ended = give_users()) return ended;
  keep();
  return {};
}

std::optional<ports::TrafficState> Controller::write_if_own(const ports::TrafficState& wanted) {
  const auto now = traffic_.read();
  if (!is_own(now)) return now;
  traffic_.write(wanted);
  return {};
}

std::optional<Outcome> Controller::give_users() {
  if (stopped()) return take_users_off(Verdict::aborted, {signal_asked});
  std::optional<ports::TrafficState> lost;
  try {
    lost = write_if_own(wanted(rollout_.percent()));
  } catch (const Failure& failure) {
    // The next look tries again; the lease ends before long.
    world_.record.note("proxy_silent", {{"cause", failure.error().message}});
  }
  if (lost) return give_way(*lost);
  return {};
}

Outcome Controller::watch() {
  const double start_s = world_.steady_s();
  for (double looks = 1;; ++looks) {
    // Times from the start, not from the look before: a slow look does not make the lease late.
    world_.wait_until(start_s + looks * state_.every_s);
    if (auto ended = give_users()) return *ended;
    if (auto ended = judge()) return *ended;
  }
}

std::optional<Outcome> Controller::judge() {
  const auto seen = look();
  const auto step = rollout_.see(seen.look);
  world_.record.look(seen.look, step, rollout_);
  return act(step, seen);
}

std::optional<Outcome> Controller::act(policy::CanaryStep step, const Seen& seen) {
  switch (step) {
    case policy::CanaryStep::stay: keep(); return {};
    case policy::CanaryStep::advance: return begin_stage();
    case policy::CanaryStep::promote: return promote();
    case policy::CanaryStep::roll_back: {
      auto reasons = breaches_of(rollout_.guardrails());
      if (!seen.why_unread.empty()) reasons.push_back(seen.why_unread);
      return take_users_off(Verdict::breach, std::move(reasons));
    }
    case policy::CanaryStep::give_up:
      return take_users_off(Verdict::inconclusive, doubts_of(rollout_.guardrails()));
  }
  return {};
}

std::vector<ProcessPage> Controller::read_release(const std::vector<std::string>& urls) {
  std::vector<ProcessPage> pages;
  for (const auto& url : urls) pages.push_back(read_process_page(world_.page(url).value()).value());
  return pages;
}

Controller::Seen Controller::look() {
  Seen seen;
  const auto read = [&](ReleaseWatch& watch, const std::vector<std::string>& urls,
                        ports::Slot slot) {
    return watch.see(read_release(urls), traffic_.counts(slot));
  };
  try {
    // The counts of all processes or of none: with one page missing the sum would look like a
    // release that stands still. The judge counts looks without a canary.
    if (auto now = read(canary_, state_.canary_urls, state_.canary)) {
      seen.look.rls_errors = now->rls_errors;
      seen.look.aad_mismatches = now->aad_mismatches;
      seen.look.findings = now->findings;
      seen.look.restarted = now->restarted;
      seen.look.resident_bytes = now->resident_bytes;
      seen.look.proxied = now->proxied;
      seen.look.canary = std::move(now->counts);
    }
  } catch (const Failure& failure) {
    seen.why_unread = failure.error().message;
  }
  try {
    // Without the stable release there is no comparison, and the limits that hold by themselves are
    // judged all the same. So this is noted and stops nothing.
    if (auto now = read(stable_, state_.stable_urls, ports::other_slot(state_.canary)))
      seen.look.stable = std::move(now->counts);
  } catch (const Failure& failure) {
    world_.record.note("stable_unread", {{"cause", failure.error().message}});
  }
  seen.look.at_s = elapsed_s();
  return seen;
}

void Controller::keep() {
  state_.judged = rollout_.save();
  state_.stable_seen = stable_.save();
  state_.canary_seen = canary_.save();
  world_.record.save(state_);
}

void Controller::keep_pages(const char* when) {
  const auto keep_of = [&](const std::vector<std::string>& urls, const std::string& name) {
    for (std::size_t i = 0; i < urls.size(); ++i)
      if (const auto text = world_.page(urls[i]))
        world_.record.page(name + "-" + std::to_string(i) + "-" + when, *text);
  };
  keep_of(state_.stable_urls, "stable");
  keep_of(state_.canary_urls, "canary");
}

Outcome Controller::promote() {
  if (stopped()) return take_users_off(Verdict::aborted, {signal_asked});
  const auto rails = rollout_.guardrails();
  world_.record.note("promoting", {{"stable", ports::slot_name(state_.canary)}});
  auto last = wanted(0);
  // One write makes the canary the stable release and leaves no users to the old one, so there is
  // no moment at which a user belongs to neither.
  std::swap(last.stable, last.canary);
  if (const auto lost = write_if_own(last)) return give_way(*lost);
  return end({.verdict = Verdict::promoted,
              .guardrails = rails,
              .percent = 100,
              .users_are_off = false});
}

bool Controller::may_take_back(const ports::TrafficState& now) const {
  const bool nobodys = now.rollout == no_rollout || now.rollout == aborted_rollout;
  return now.rollout == state_.rollout ||
         (nobodys && now.stable == ports::other_slot(state_.canary));
}

Controller::Off Controller::write_no_users() {
  // Ten seconds in all. From the third failed read on the write is tried blind: users on a bad
  // release weigh more than the risk of writing over another rollout.
  constexpr int tries = 50, reads_before_blind = 2;
  for (int i = 0; i < tries; ++i) {
    std::optional<ports::TrafficState> now;
    try {
      now = traffic_.read();
    } catch (const Failure&) {
      if (i < reads_before_blind) {
        world_.pause(0.2);
        continue;
      }
    }
    if (now && !may_take_back(*now)) return {.lost = now};
    // A reload or an abort has taken them off: the name stays, whoever comes next.
    if (now && now->rollout != state_.rollout && now->users == 0) return {.confirmed = true};
    try {
      traffic_.write(wanted(0));
      return {.confirmed = true};
    } catch (const Failure&) {
      world_.pause(0.2);
    }
  }
  return {};
}

Outcome Controller::take_users_off(Verdict verdict, std::vector<std::string> reasons) {
  const double decided_s = world_.steady_s();
  const auto off = write_no_users();
  if (off.lost) {
    verdict = Verdict::aborted;
    reasons.insert(reasons.begin(), why_lost(*off.lost));
  }
  // Before the drain: a controller that is killed meanwhile has decided, and --resume must know.
  state_.verdict = verdict;
  keep();
  const double took_ms = (world_.steady_s() - decided_s) * 1e3;
  if (!off.lost)
    world_.record.note("users_off", {{"verdict", std::string(verdict_name(verdict))},
                                     {"reasons", joined(reasons)},
                                     {"confirmed", off.confirmed},
                                     {"took_ms", took_ms}});
  // Where the proxy did not confirm, it may still send users, and waiting for their end has no end.
  if (off.confirmed) drain();
  return end({.verdict = verdict,
              .reasons = std::move(reasons),
              .guardrails = rollout_.guardrails(),
              .percent = rollout_.percent(),
              .users_are_off = off.confirmed});
}

void Controller::drain() {
  constexpr double drain_max_s = 60;
  try {
    // Requests that began before the write may still reach the canary for a moment. A second later
    // all of them are counted, and those that came since tell whether the proxy obeyed.
    const auto before = traffic_.counts(state_.canary);
    world_.pause(1);
    const double until_s = world_.steady_s() + drain_max_s;
    auto now = traffic_.counts(state_.canary);
    const auto late = now.requests - std::min(before.requests, now.requests);
    while (now.active > 0 && world_.steady_s() < until_s &&
           world_.wait_until(world_.steady_s() + 0.5))
      now = traffic_.counts(state_.canary);
    world_.record.note("drained", {{"requests_after", static_cast<double>(late)},
                                   {"still_active", static_cast<double>(now.active)}});
  } catch (const Failure& failure) {
    world_.record.note("not_drained", {{"cause", failure.error().message}});
  }
}

Outcome Controller::end(Outcome outcome) {
  state_.verdict = outcome.verdict;
  keep_pages("end");
  keep();
  std::vector<Fact> facts{{"verdict", std::string(verdict_name(outcome.verdict))}};
  if (!outcome.reasons.empty()) facts.emplace_back("reasons", joined(outcome.reasons));
  world_.record.note("ended", facts);
  return outcome;
}

}  // namespace memseal::canary
