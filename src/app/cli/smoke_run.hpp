#pragma once
// One run of the smoke checks, for the commands that need it.
#include "app/cli/smoke_checks.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <functional>
#include <optional>
#include <string>

namespace memseal::app {

/// Both tokens, of two users. Empty after the cause was printed.
std::optional<SmokeTarget> read_smoke_target(const Config& config, const SmokeOptions& options);

struct SmokeTally {
  boost::json::array checks;
  std::size_t passed = 0;
  std::string failed;  ///< names, comma-separated
  SmokeFault left;     ///< why the document was left behind
  double ms = 0;

  std::size_t total() const { return checks.size(); }
  boost::json::object report() const;
};

/// Runs every check and cleans up. `prints`: a line for each check, and what was left behind.
/// `goes_on`: asked before each check; false leaves out the rest. Absent: all run.
SmokeTally run_smoke(const SmokeTarget& target, bool prints,
                     const std::function<bool()>& goes_on = {});

}  // namespace memseal::app
