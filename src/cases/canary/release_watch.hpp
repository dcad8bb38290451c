#pragma once
// What one release counts from look to look: its own metrics, and what the proxy saw of it.
#include "base/result.hpp"
#include "cases/guard/snapshot.hpp"
#include "ports/traffic.hpp"
#include "pure/policy/canary_judge.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace memseal::canary {

/// What one process has counted since its start.
struct ProcessPage {
  double started_s = 0;  ///< Unix time
  std::string release;   ///< label of memseal_build_info
  policy::GuardWindow counts;
  std::vector<std::uint64_t> first_results;  ///< by bucket, not cumulated
  double resident_bytes = 0;
};

/// Reads a page of /metrics. Error: unavailable, names the series that is missing.
Result<ProcessPage> read_process_page(std::string_view text);

/// What a release did between two looks.
struct Increment {
  policy::CanaryCounts counts;
  std::uint64_t rls_errors = 0, aad_mismatches = 0, findings = 0;
  bool restarted = false;
  double resident_bytes = 0;
  std::uint64_t proxied = 0;
};

/// Turns counts into increments. Failures have two witnesses, the release and the proxy. The one
/// that has seen more since the watch began is believed: a process that dies counts nothing, and
/// what the proxy answers by itself no release has seen.
/// NOTE: a process that starts again begins at zero, and so does a proxy that reloads.
/// Thread: one at a time.
class ReleaseWatch {
 public:
  explicit ReleaseWatch(std::size_t processes) : before_(processes) {}

  /// `pages`: of each process, in the order of the look before. The first look of all only begins
  /// the watch, and is empty.
  std::optional<Increment> see(const std::vector<ProcessPage>& pages,
                               const ports::TrafficCounts& proxied);

  /// Everything that a watch which goes on in another process must know.
  std::vector<double> save() const;
  /// False, and an unusable watch, where these are not such numbers.
  bool restore(const std::vector<double>& numbers);

 private:
  /// Failures that each witness has reported since the watch began, and how many of them were
  /// handed on.
  struct Witnesses {
    double own = 0, proxys = 0, told = 0;
    /// Those that are new, one look's `own_now` and `proxys_now` included.
    std::uint64_t add(std::uint64_t own_now, std::uint64_t proxys_now);
  };

  bool began_ = false;
  std::vector<ProcessPage> before_;
  ports::TrafficCounts proxied_;
  Witnesses cut_, errors_;
};

}  // namespace memseal::canary
