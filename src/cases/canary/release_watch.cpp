#include "cases/canary/release_watch.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace memseal::canary {

namespace {

/// A file of numbers may hold anything; more counts than this no process reaches.
constexpr double count_max = 1e15;
constexpr std::size_t buckets_max = 1'000;

// A count that fell began at zero again, so all of it is new. What was counted between the last
// look and the restart is lost.
std::uint64_t grown(std::uint64_t before, std::uint64_t now) {
  return now >= before ? now - before : now;
}

/// Observations by bucket of a histogram, whose buckets a page cumulates.
std::vector<std::uint64_t> buckets_of(const guard::MetricsPage& page, std::string_view name) {
  std::vector<std::uint64_t> buckets;
  std::uint64_t below = 0;
  for (const auto& [edge, count] : page.buckets(name)) {
    const auto until = static_cast<std::uint64_t>(std::clamp(count, 0.0, count_max));
    buckets.push_back(until - std::min(until, below));
    below = std::max(until, below);
  }
  return buckets;
}

void add(policy::Share& sum, const policy::Share& part) {
  sum.bad += part.bad;
  sum.all += part.all;
}

void add_process(Increment& sum, const ProcessPage& before, const ProcessPage& now) {
  const auto window = guard::between({.started_s = before.started_s, .counts = before.counts},
                                     {.started_s = now.started_s, .counts = now.counts});
  sum.restarted = sum.restarted || window.restarted;
  sum.rls_errors += window.rls_errors;
  sum.aad_mismatches += window.aad_mismatches;
  sum.findings = std::max(sum.findings, window.findings);
  add(sum.counts.streams, window.streams);
  add(sum.counts.requests, window.requests);
  add(sum.counts.ttfv, window.ttfv);
  auto& buckets = sum.counts.first_results;
  buckets.resize(std::max(buckets.size(), now.first_results.size()));
  for (std::size_t i = 0; i < now.first_results.size(); ++i) {
    // A newer release may have more buckets, and a restarted process begins at zero in all of them.
    const bool same = !window.restarted && i < before.first_results.size();
    buckets[i] += grown(same ? before.first_results[i] : 0, now.first_results[i]);
  }
  sum.resident_bytes = std::max(sum.resident_bytes, now.resident_bytes);
}

/// Failures that the proxy alone saw belong to the samples too.
void set_bad(policy::Share& share, std::uint64_t bad) {
  share.bad = bad;
  share.all = std::max(share.all, bad);
}

}  // namespace

Result<ProcessPage> read_process_page(std::string_view text) {
  auto snapshot = guard::read_snapshot(text, 0);
  if (!snapshot) return snapshot.error();
  const guard::MetricsPage page(text);
  ProcessPage process{.started_s = snapshot->started_s,
                      .release = std::move(snapshot->release),
                      .counts = snapshot->counts,
                      .first_results = buckets_of(page, "memseal_query_ttfv_seconds")};
  const auto resident = page.sum("process_resident_memory_bytes");
  if (!resident || process.first_results.size() > buckets_max)
    return Error{Errc::unavailable, "the page has no process_resident_memory_bytes"};
  process.resident_bytes = *resident;
  return process;
}

std::uint64_t ReleaseWatch::Witnesses::add(std::uint64_t own_now, std::uint64_t proxys_now) {
  own += static_cast<double>(own_now);
  proxys += static_cast<double>(proxys_now);
  // Sums since the start are compared, not looks: the proxy counts a request when it ends and the
  // release when it answers, so one look may show it to one of the two only.
  const double worst = std::max(own, proxys), fresh = std::max(0.0, worst - told);
  told = std::max(told, worst);
  return static_cast<std::uint64_t>(std::min(fresh, count_max));
}

std::optional<Increment> ReleaseWatch::see(const std::vector<ProcessPage>& pages,
                                           const ports::TrafficCounts& proxied) {
  MEMSEAL_ASSERT(pages.size() == before_.size());
  Increment sum;
  for (std::size_t i = 0; began_ && i < pages.size(); ++i) add_process(sum, before_[i], pages[i]);
  const auto cut = grown(proxied_.cut, proxied.cut);
  const auto errors = grown(proxied_.server_errors, proxied.server_errors);
  sum.proxied = grown(proxied_.requests, proxied.requests);
  const bool first = !began_;
  before_ = pages;
  proxied_ = proxied;
  began_ = true;
  // Counts since the process began say nothing of this rollout.
  if (first) return {};
  set_bad(sum.counts.streams, cut_.add(sum.counts.streams.bad, cut));
  set_bad(sum.counts.requests, errors_.add(sum.counts.requests.bad, errors));
  return sum;
}

namespace {

/// Calls `number` with each count of a process that increments are made from. One order for saving
/// and for restoring.
template <class Page, class Number>
void each_count(Page& page, Number&& number) {
  auto& counts = page.counts;
  number(counts.rls_errors);
  number(counts.aad_mismatches);
  for (auto* share : {&counts.streams, &counts.requests, &counts.ttfv}) {
    number(share->bad);
    number(share->all);
  }
  for (auto& bucket : page.first_results) number(bucket);
}

}  // namespace

std::vector<double> ReleaseWatch::save() const {
  std::vector<double> numbers{began_ ? 1.0 : 0.0};
  const auto keep = [&](const auto& number) {
    numbers.push_back(std::min(static_cast<double>(number), count_max));
  };
  for (const auto* one : {&cut_, &errors_}) {
    keep(one->own);
    keep(one->proxys);
    keep(one->told);
  }
  keep(proxied_.requests);
  keep(proxied_.server_errors);
  keep(proxied_.cut);
  for (const auto& page : before_) {
    keep(page.started_s);
    keep(page.first_results.size());
    each_count(page, keep);
  }
  return numbers;
}

bool ReleaseWatch::restore(const std::vector<double>& numbers) {
  std::size_t next = 0;
  bool sound = true;
  const auto number = [&] {
    const double one = next < numbers.size() ? numbers[next] : -1;
    ++next;
    sound = sound && one >= 0 && one <= count_max;
    return sound ? one : 0;
  };
  const auto put = [&](std::uint64_t& count) { count = static_cast<std::uint64_t>(number()); };
  began_ = number() != 0;
  for (auto* one : {&cut_, &errors_})
    for (auto* part : {&one->own, &one->proxys, &one->told}) *part = number();
  for (auto* part : {&proxied_.requests, &proxied_.server_errors, &proxied_.cut}) put(*part);
  for (auto& page : before_) {
    page.started_s = number();
    const double buckets = number();
    if (buckets > static_cast<double>(buckets_max)) return false;
    page.first_results.resize(static_cast<std::size_t>(buckets));
    each_count(page, put);
  }
  return sound && next == numbers.size();
}

}  // namespace memseal::canary
