#pragma once
// What `guard check` and `guard watch` share.
#include "app/cli/commands.hpp"
#include "app/service/guard_json.hpp"
#include "cases/guard/snapshot.hpp"
#include "pure/policy/guard_watch.hpp"

#include <string>
#include <vector>

namespace memseal::app {

/// `service` with the address of http.admin_listen where none is given. Error: bad_config, where
/// that listener is off or has no fixed port.
Result<ServiceOptions> admin_service(const Config& config, ServiceOptions service);

/// Reads the metrics page of the admin listener. Errors: unavailable, bad_config.
Result<guard::Snapshot> take_snapshot(const Config& config, const ServiceOptions& service);

/// "rls_errors, streams_cut": the names of those that are breached.
std::string breached_names(const std::vector<policy::Guardrail>& guardrails);
void print_guardrail(const policy::Guardrail& guardrail);

/// The shares of a report in a file. Error: bad_config.
Result<policy::Baseline> read_baseline(const std::string& file);

/// Prints why nothing was judged. Returns the exit code.
int guard_failed(const Error& error);

}  // namespace memseal::app
