#pragma once
// Rewrites the chunks of before migration 0011, so that their ciphers lie out of line too.
// For the command line: opens its own connections and blocks.
#include "base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace memseal::postgres {

struct RewriteOptions {
  std::string reader_dsn;      ///< lists the tenants: of memory_backup, or a superuser
  std::string writer_dsn;      ///< of app_user; each batch is bound to its tenant
  std::size_t batch_rows = 500;
  /// Rest after a batch that wrote, as a part of the time that it took; 5 s at most.
  double rest = 1;
  /// Returns after so long: rests, and waits before another try. REQUIRES: one.
  std::function<void(std::chrono::duration<double>)> pause = {};
};

struct RewriteReport {
  std::int64_t tenants = 0, rows = 0;  ///< looked at; rewritten
  std::int64_t skipped = 0;             ///< rows that somebody else held, twice
  std::vector<std::string> unfinished;  ///< user hashes: the server refused five tries of a batch
};

/// From so many dimensions on the vector alone made each row long enough before migration 0011 too.
inline constexpr std::size_t rewrite_dimensions_end = 1'024;

/// Rewrites what is left, tenant by tenant, each document in its order. A batch is one transaction,
/// waits for no row and makes nobody wait but those who change the same rows; other processes, also
/// of an older release, read and write meanwhile. For a lock on the whole table it waits as long as
/// the session may (lock_timeout), five times. What was rewritten stays so when the call ends in
/// the middle; the next call reads every row once more and writes what is left. Calls `tell` after
/// each batch; false ends.
/// Errors: unavailable; bad_config, not_isolated where a role may do too little or too much;
/// not_migrated before migration 0011; internal.
Result<RewriteReport> rewrite_rows(const RewriteOptions& options,
                                   const std::function<bool(const RewriteReport&)>& tell);

}  // namespace memseal::postgres
