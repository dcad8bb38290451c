#pragma once
// How the process ends.

namespace memseal::app {

/// Documented in `memseal --help` and tested.
enum ExitCode : int {
  exit_ok = 0,
  exit_failed = 1,
  exit_usage = 2,  ///< wrong flags or configuration
  exit_not_ready = 3,
  exit_not_found = 4,
  exit_denied = 5,
};

}  // namespace memseal::app
