#pragma once
// What a service has counted until one moment, read from its metrics page.
#include "base/result.hpp"
#include "pure/policy/guardrail.hpp"

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::guard {

/// A metrics page in the text exposition format 0.0.4, as numbers.
class MetricsPage {
 public:
  /// Lines that are no sample are skipped, as a scraper does with comments.
  explicit MetricsPage(std::string_view text);

  /// Sum over the series of this name whose labels hold every text of `with`, e.g. code="503".
  /// Empty without a series, because absent is not 0.
  std::optional<double> sum(std::string_view name,
                            std::initializer_list<std::string_view> with = {},
                            std::string_view without = {}) const;

  /// (upper edge, count up to it) of each bucket of a histogram, by rising edge.
  std::vector<std::pair<double, double>> buckets(std::string_view histogram) const;

 private:
  std::multimap<std::string, std::pair<std::string, double>, std::less<>> series_;
};

/// The counts since the start of one process.
struct Snapshot {
  double at_s = 0;          ///< when it was taken; of one clock for all snapshots
  double started_s = 0;     ///< Unix time of the process's start
  std::string release;      ///< label of memseal_build_info
  policy::GuardWindow counts;
  double pool_busy_s = 0, pool_max = 0;
};

/// Reads a page of /metrics. Error: unavailable, names the series that is missing: a service whose
/// metrics are gone is not judged to be well.
Result<Snapshot> read_snapshot(std::string_view page, double at_s);

/// What was counted between two snapshots. After a restart in between, what was counted since it.
policy::GuardWindow between(const Snapshot& before, const Snapshot& after);

}  // namespace memseal::guard
