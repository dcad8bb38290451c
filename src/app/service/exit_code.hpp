#pragma once
// How the process ends.
#include <exception>

namespace memseal::app {

/// Documented in `memseal --help` and tested.
enum ExitCode : int {
  exit_ok = 0,
  exit_failed = 1,
  exit_usage = 2,  ///< wrong flags or configuration
  exit_not_ready = 3,
  exit_not_found = 4,
  exit_denied = 5,
  exit_finding = 6,  ///< what was to be proven does not hold
};

/// The exit code of a service whose run ended with `failure`; null: it was asked to stop.
/// Logs `service.stopped`, or `service.broken` with the failure's sentence as `cause`.
int exit_code_after(const std::exception_ptr& failure);

}  // namespace memseal::app
