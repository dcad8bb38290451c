#pragma once
// Where the records of the audit log go.
#include "pure/audit/record.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// What became of a call of AuditLog::checkpoint().
struct Checkpointed {
  std::size_t made = 0;  ///< how many were signed
  /// Who keeps all processes from signing, although a checkpoint is long due; empty: nobody.
  std::string held_by = {};
};

/// Adds to the log. Throws Outage when the database is unavailable or takes no writes, Refused when
/// it lacks the tables. Thread: any executor.
class AuditLog {
 public:
  virtual ~AuditLog() = default;
  /// Appends the records of `events` to this process's chain, in one transaction: all or none.
  /// NOTE: where a connection dies during the commit, the outcome is unknown and this throws; a
  /// caller that tries again may write the records twice.
  virtual asio::awaitable<void> append(runtime::RequestContext context,
                                       std::vector<audit::Event> events) = 0;
  /// Signs how far every chain has come that grew since its last checkpoint, those of processes
  /// that ended included. One process at a time does it; for the others, and where the newest
  /// checkpoint is younger than `every` and this process's chain has one, there is nothing to do.
  virtual asio::awaitable<Checkpointed> checkpoint(runtime::RequestContext context,
                                                  std::int64_t now_ms,
                                                  std::chrono::seconds every) = 0;
};

}  // namespace memseal::ports
