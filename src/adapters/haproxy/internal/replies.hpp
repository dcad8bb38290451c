#pragma once
// What HAProxy's runtime API answers, as values. The bytes come from another program.
#include "base/result.hpp"
#include "ports/traffic.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::haproxy {

/// The files of the maps in an answer to `show map`.
std::vector<std::string> read_map_files(std::string_view answer);

/// Key → value of each entry in an answer to `show map FILE`. Other lines are skipped.
using MapEntries = std::map<std::string, std::string, std::less<>>;
MapEntries read_map_entries(std::string_view answer);

/// The state that the entries of both maps say. Error: bad_config; the message names the entry that
/// is missing or has no such value.
Result<ports::TrafficState> read_traffic_state(const MapEntries& entries);

/// The row of a backend in an answer to `show stat`. Error: bad_config, where there is none or a
/// column is missing.
Result<ports::TrafficCounts> read_backend_counts(std::string_view answer,
                                                 std::string_view backend);

/// Whether a rollout's name can be a value in a map: 1 to 64 letters, digits and dashes.
bool is_rollout_name(std::string_view name);

}  // namespace memseal::haproxy
