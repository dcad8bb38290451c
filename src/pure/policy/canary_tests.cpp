#include "pure/policy/canary_tests.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace memseal::policy {

namespace {

std::vector<double> alternatives_of(double limit) {
  std::vector<double> all;
  // A test is quick against the rate that it assumes and slow against others. Four of them find
  // small faults and gross ones, each in its time.
  for (const double times : {2.0, 4.0, 10.0, 40.0})
    if (times == 2 || limit * times < 0.9) all.push_back(std::min(0.5, limit * times));
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

/// ln of the ratio of the likelihoods of `bad` of `all` under the rates `p` and `q`.
double log_ratio(double bad, double all, double p, double q) {
  // The binomial coefficient is the same under both rates and cancels.
  return bad * std::log(p / q) + (all - bad) * std::log((1 - p) / (1 - q));
}

std::uint64_t total(std::span<const std::uint64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

void add(std::vector<std::uint64_t>& sums, std::span<const std::uint64_t> counts) {
  sums.resize(std::max(sums.size(), counts.size()));
  for (std::size_t i = 0; i < counts.size(); ++i) sums[i] += counts[i];
}

constexpr std::array rate_ratios{4.0, 10.0, 40.0};
constexpr double rate_ratio_kept = 2;
constexpr std::array drifts{0.06, 0.12, 0.24};
constexpr double slower_kept = 0.60;
constexpr std::uint64_t observations_least = 12;

}  // namespace

CanaryShareTest::CanaryShareTest(double limit, double false_alarms)
    : limit_(limit),
      healthy_(limit / 2),
      alternatives_(alternatives_of(limit)),
      detector_(alternatives_.size(), {.false_alarms = false_alarms}) {}

void CanaryShareTest::see(double at_s, const Share& share) {
  if (share.all == 0) return;
  const auto bad = static_cast<double>(share.bad), all = static_cast<double>(share.all);
  bad_ += bad;
  all_ += all;
  std::vector<double> ratios;
  for (const double rate : alternatives_) ratios.push_back(log_ratio(bad, all, rate, healthy_));
  detector_.see(at_s, all, ratios);
}

bool CanaryShareTest::passed(std::uint64_t samples_min, double excluded) const {
  // A likelihood ratio of 20 against the rate to be excluded. A mere rate below the limit would
  // pass with three samples and none bad.
  constexpr double certainty = 20;  // 1 / 5 %
  return all_ >= static_cast<double>(samples_min) && bad_ <= limit_ * all_ &&
         log_ratio(bad_, all_, healthy_, std::max(excluded, limit_)) >= std::log(certainty) &&
         detector_.calm();
}

CanaryShareComparison::CanaryShareComparison(double false_alarms)
    : detector_(rate_ratios.size(), {.false_alarms = false_alarms, .block_samples = 3}) {}

void CanaryShareComparison::see(double at_s, const Share& canary, const Share& stable) {
  const auto events = static_cast<double>(canary.bad + stable.bad);
  if (canary.all == 0 || stable.all == 0 || events == 0) return;
  const auto bad = static_cast<double>(canary.bad);
  canary_bad_ += bad;
  // Conditional on the events of both releases, the rate of events cancels: only whose they are
  // counts. So an outage that both share is no evidence against the canary.
  const double traffic = static_cast<double>(canary.all) /
                         static_cast<double>(canary.all + stable.all);
  const auto canarys = [&](double ratio) {  // the probability that an event is the canary's
    return traffic * ratio / (traffic * ratio + 1 - traffic);
  };
  std::array<double, rate_ratios.size()> ratios;
  for (std::size_t i = 0; i < ratios.size(); ++i)
    ratios[i] = log_ratio(bad, events, canarys(rate_ratios[i]), canarys(rate_ratio_kept));
  detector_.see(at_s, events, ratios);
}

CanaryLatencyComparison::CanaryLatencyComparison(double false_alarms)
    : detector_(drifts.size(), {.false_alarms = false_alarms, .block_samples = 50}) {}

void CanaryLatencyComparison::see(double at_s, std::span<const std::uint64_t> canary,
                                  std::span<const std::uint64_t> stable) {
  add(canary_, canary);
  add(stable_, stable);
  const auto count = total(canary_), others = total(stable_);
  if (count < observations_least || others < observations_least) return;
  canary_.resize(std::max(canary_.size(), stable_.size()));
  stable_.resize(canary_.size());
  // Both releases use the same buckets, so the statistic needs their counts only: each observation
  // of the canary wins against the faster ones of stable, and half against those in its bucket.
  double faster_stable = 0, wins = 0;
  for (std::size_t i = 0; i < canary_.size(); ++i) {
    const auto ties = static_cast<double>(stable_[i]);
    wins += static_cast<double>(canary_[i]) * (faster_stable + ties / 2);
    faster_stable += ties;
  }
  const auto m = static_cast<double>(count), n = static_cast<double>(others);
  // The variance of the statistic where both have one distribution (Mann and Whitney 1947), without
  // the correction for ties, which would make it smaller.
  const double slower = wins / (m * n), variance = (1 / m + 1 / n) / 12;
  std::array<double, drifts.size()> ratios;
  for (std::size_t i = 0; i < ratios.size(); ++i)
    // By the central limit theorem the statistic is nearly normal: this is the log-likelihood ratio
    // of a mean moved by the drift against the greatest mean that is no regression.
    ratios[i] = (drifts[i] * (slower - slower_kept) - drifts[i] * drifts[i] / 2) / variance;
  detector_.see(at_s, m, ratios);
  seen_ += m;
  value_ += (slower - value_) * m / seen_;
  canary_.clear();
  stable_.clear();
}

void CanaryMemory::see(double at_s, double resident_bytes) {
  constexpr double span_s = 20;
  if (limit_ <= 0) return;
  value_ = resident_bytes / limit_;
  looks_.push_back({at_s, resident_bytes});
  while (at_s - looks_.front().at_s > span_s + 0.5) looks_.pop_front();
  over_ = value_ > 0.9 ? over_ + 1 : 0;
  breached_ = breached_ || over_ >= 2 || climbs(at_s);
}

bool CanaryMemory::climbs(double at_s) const {
  constexpr double span_least_s = 17, horizon_s = 600, climb_least = 64.0 * (1 << 20);
  constexpr std::size_t looks_least = 8;
  if (looks_.size() < looks_least || at_s - looks_.front().at_s < span_least_s) return false;
  std::vector<double> slopes;
  for (auto from = looks_.begin(); from != looks_.end(); ++from)
    for (auto to = from + 1; to != looks_.end(); ++to)
      if (to->at_s > from->at_s)
        slopes.push_back((to->bytes - from->bytes) / (to->at_s - from->at_s));
  if (slopes.empty()) return false;
  std::sort(slopes.begin(), slopes.end());
  // The median slope ignores a single jump, as of an arena that is allocated; the lower decile asks
  // that nearly all pairs of looks agree on a climb.
  const double median = slopes[slopes.size() / 2], lower_decile = slopes[slopes.size() / 10];
  const double left = limit_ - looks_.back().bytes;
  return lower_decile > 0 && looks_.back().bytes - looks_.front().bytes >= climb_least &&
         left < horizon_s * median;
}

}  // namespace memseal::policy
