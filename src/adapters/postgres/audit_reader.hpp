#pragma once
// The audit log as an operator reads it, with a role that may (postgres.backup_dsn or
// postgres.migrate_dsn). For the command line: every call opens its own connection and blocks.
#include "base/result.hpp"
#include "pure/audit/checkpoint.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace memseal::postgres {

/// Which records; what is empty chooses all.
struct AuditFilter {
  std::optional<std::int64_t> since_ms, until_ms;  ///< Unix time
  std::string tenant;                              ///< Marks::tenant()
  std::string request_id, action, actor;
  std::optional<Bytes> document;                   ///< Marks::document()
  std::int64_t limit = 0;                          ///< the newest so many; 0: all
};

/// Calls `visit` for each record that the filter chooses, in the order of time, until it returns
/// false. Memory: a page. Errors: bad_config where the role may not read it, not_migrated,
/// unavailable.
Result<void> for_each_audit_record(const std::string& dsn, const AuditFilter& filter,
                                   const std::function<bool(const audit::Record&)>& visit);

/// Gives `judge` the whole log of one moment. Errors: as for_each_audit_record().
Result<void> judge_audit_log(const std::string& dsn, audit::LogJudge& judge);

/// What prune_audit_log() did.
struct AuditPruned {
  std::int64_t records = 0, chains = 0;
};

/// Deletes the records at the beginning of each chain that are older than `before_ms`, and signs
/// where it begins from now on, in one transaction. What no checkpoint has seen yet stays.
/// Gives `judge` the whole log first, and deletes nothing where it finds anything, unless it is to
/// go `past` findings: then also a chain loses its place that was cut before its last checkpoint.
/// REQUIRES: a role that owns the tables, or may become their owner. Errors: as above,
/// signature_invalid after a finding, and bad_config where the role may not delete.
Result<AuditPruned> prune_audit_log(const std::string& dsn, std::int64_t before_ms,
                                    std::int64_t now_ms, const crypto::SigningKey& signer,
                                    audit::LogJudge& judge, bool past = false);

/// Who keeps processes from signing the log at this moment, as checkpoint_lock_holder() says it;
/// empty: nobody. Any role may ask. Errors: as for_each_audit_record().
Result<std::string> audit_lock_holder(const std::string& dsn);

}  // namespace memseal::postgres
