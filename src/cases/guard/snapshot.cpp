#include "cases/guard/snapshot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace memseal::guard {

namespace {

/// `name{labels} value`, or without labels. Empty for comments and what is neither.
std::optional<std::pair<std::string, std::pair<std::string, double>>> parse_sample(
    std::string_view line) {
  if (line.empty() || line.front() == '#') return {};
  const auto space = line.rfind(' ');
  if (space == line.npos) return {};
  const std::string number(line.substr(space + 1));
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  // A line that cannot be read is skipped: a page may have lines of a newer release. A series that
  // is needed and missing is an error of read_snapshot().
  if (end == number.c_str() || *end != '\0') return {};
  const auto series = line.substr(0, space);
  const auto brace = series.find('{');
  if (brace == series.npos) return {{std::string(series), {"", value}}};
  return {{std::string(series.substr(0, brace)), {std::string(series.substr(brace)), value}}};
}

/// Reads series of a page. Remembers the first one that is missing.
class Reader {
 public:
  explicit Reader(const MetricsPage& page) : page_(page) {}

  double number(std::string_view name, std::initializer_list<std::string_view> with = {},
                std::string_view without = {}) {
    const auto found = page_.sum(name, with, without);
    if (!found && missing_.empty()) missing_ = name;
    return found.value_or(0);
  }
  std::uint64_t count(std::string_view name, std::initializer_list<std::string_view> with = {},
                      std::string_view without = {}) {
    return static_cast<std::uint64_t>(std::llround(std::max(0.0, number(name, with, without))));
  }
  /// Observations over an edge, of all. `series`: of the histogram, where it has labels.
  policy::Share over(const std::string& histogram, std::string_view edge,
                     std::string_view series = {}) {
    // Buckets are cumulative, so what is not below the edge is over it.
    const auto below = count(histogram + "_bucket", {edge, series});
    const auto all = count(histogram + "_count", {series});
    return {all - std::min(all, below), all};
  }
  const std::string& missing() const { return missing_; }

 private:
  const MetricsPage& page_;
  std::string missing_;
};

std::uint64_t minus(std::uint64_t after, std::uint64_t before) {
  return after - std::min(after, before);
}

policy::Share minus(const policy::Share& after, const policy::Share& before) {
  return {minus(after.bad, before.bad), minus(after.all, before.all)};
}

std::string label_of(std::string_view text, std::string_view family, std::string_view label) {
  auto at = text.find(std::string(family) + '{');
  if (at == text.npos) return "";
  const auto end = text.find('\n', at);
  const auto line = text.substr(at, end - at);
  const auto begin = line.find(std::string(label) + "=\"");
  if (begin == line.npos) return "";
  const auto value = line.substr(begin + label.size() + 2);
  return std::string(value.substr(0, value.find('"')));
}

}  // namespace

MetricsPage::MetricsPage(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (auto sample = parse_sample(text.substr(0, end))) series_.insert(std::move(*sample));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
}

std::optional<double> MetricsPage::sum(std::string_view name,
                                       std::initializer_list<std::string_view> with,
                                       std::string_view without) const {
  std::optional<double> total;
  const auto [first, last] = series_.equal_range(name);
  for (auto found = first; found != last; ++found) {
    const std::string& labels = found->second.first;
    const bool fits = std::ranges::all_of(with, [&](std::string_view part) {
      return labels.find(part) != labels.npos;
    });
    if (fits && (without.empty() || labels.find(without) == labels.npos))
      total = total.value_or(0) + found->second.second;
  }
  return total;
}

std::vector<std::pair<double, double>> MetricsPage::buckets(
    std::string_view histogram) const {
  constexpr std::string_view label = "le=\"";
  std::vector<std::pair<double, double>> all;
  const auto [first, last] = series_.equal_range(std::string(histogram) + "_bucket");
  for (auto found = first; found != last; ++found) {
    const auto& [labels, count] = found->second;
    const auto at = labels.find(label);
    if (at == labels.npos) continue;
    const double edge = std::strtod(labels.c_str() + at + label.size(), nullptr);
    if (!std::isnan(edge)) all.emplace_back(edge, count);
  }
  std::sort(all.begin(), all.end());
  return all;
}

Result<Snapshot> read_snapshot(std::string_view text, double at_s) {
  const MetricsPage page(text);
  Reader read(page);
  Snapshot seen{.at_s = at_s,
                .started_s = read.number("process_start_time_seconds"),
                .release = label_of(text, "memseal_build_info", "release")};
  auto& counts = seen.counts;
  counts.rls_errors = read.count("memory_rls_policy_errors_total");
  counts.aad_mismatches = read.count("memory_aad_mismatch_total");
  counts.findings = read.count("memseal_isolation_findings");
  counts.ttfv = read.over("memseal_query_ttfv_seconds", "le=\"1.5\"");
  counts.response = read.over("memory_query_response_time_ms", "le=\"1500\"");
  counts.search = read.over("memseal_query_stage_duration_seconds", "le=\"0.25\"",
                            "stage=\"search\"");
  // A client that closes its stream has what it wanted, or lost patience; the slow answers count
  // elsewhere.
  const auto ended = read.count("memseal_sse_streams_total", {}, "outcome=\"client_closed\"");
  const auto completed = read.count("memseal_sse_streams_total", {"outcome=\"completed\""});
  counts.streams = {minus(ended, completed), ended};
  // A status appears with its first answer, so none is 0 here. The 503 of /ready is no failure of a
  // request: a process that is taken out of the balancer must not look broken because of that.
  const auto requests = [&](std::initializer_list<std::string_view> with) {
    const auto found = page.sum("memseal_http_requests_total", with, "route=\"/ready\"");
    return static_cast<std::uint64_t>(found.value_or(0));
  };
  counts.requests = {requests({"code=\"5"}), requests({})};
  seen.pool_busy_s = read.number("memseal_db_pool_busy_seconds_total", {"pool=\"requests\""});
  seen.pool_max = read.number("memseal_db_pool_max", {"pool=\"requests\""});
  if (!read.missing().empty())
    return Error{Errc::unavailable, "the page has no " + read.missing() +
                                        "; is this /metrics of memseal's admin port?"};
  return seen;
}

policy::GuardWindow between(const Snapshot& before, const Snapshot& after) {
  const bool restarted = after.started_s != before.started_s;
  const Snapshot nothing{.at_s = before.at_s};
  const auto& from = restarted ? nothing : before;
  const auto &now = after.counts, &then = from.counts;
  policy::GuardWindow window{.seconds = after.at_s - before.at_s,
                             .restarted = restarted,
                             .rls_errors = minus(now.rls_errors, then.rls_errors),
                             .aad_mismatches = minus(now.aad_mismatches, then.aad_mismatches),
                             .findings = now.findings,
                             .ttfv = minus(now.ttfv, then.ttfv),
                             .response = minus(now.response, then.response),
                             .streams = minus(now.streams, then.streams),
                             .requests = minus(now.requests, then.requests),
                             .search = minus(now.search, then.search)};
  const double available = window.seconds * after.pool_max;
  // The share of the connections' time, not of connections: a pool that is full for an instant is
  // no shortage.
  if (available > 0)
    window.pool_use = std::max(0.0, after.pool_busy_s - from.pool_busy_s) / available;
  return window;
}

}  // namespace memseal::guard
