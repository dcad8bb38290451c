#pragma once
// What an operator's command says to the audit log.
#include "app/config/config.hpp"
#include "pure/audit/record.hpp"
#include "pure/crypto/keyring.hpp"

#include <functional>
#include <optional>
#include <string>

namespace memseal::app {

/// The address by which an operator reads the tables: postgres.backup_dsn, or else
/// postgres.migrate_dsn. Error: bad_config where neither is set.
Result<std::string> operator_dsn(const Config& config);

/// Runs `work`, which returns an exit code, between two records of the audit log: that `action` is
/// about to be done, and how it ended. `who`: the user whose memory it is about.
/// Throws Failure where the first record cannot be written; `work` has then not run. Without
/// postgres.dsn nothing can be recorded, and a hint says so.
int audited(const Config& config, const crypto::Keyring& keyring, std::string action,
            const std::optional<crypto::Tenant>& who, const std::function<int()>& work);

/// The same with what else `event` says: its count.
int audited(const Config& config, const crypto::Keyring& keyring, audit::Event event,
            const std::function<int()>& work);

/// Runs `work`, which deletes records of the log itself, behind a record that is signed first,
/// whatever audit.records says. Throws Failure where that cannot be; `work` has then not run.
int audited_and_signed(const Config& config, const crypto::Keyring& keyring, audit::Event event,
                       const std::function<int()>& work);

/// Runs `work` and records it as audited() does, where it can: what an operator must be able to do
/// while the database or the keyring is away (a key is taken from a producer, a key is replaced),
/// and what only looks. A hint says why something is not recorded.
int audited_if_possible(const Config& config, std::string action,
                        const std::optional<crypto::Tenant>& who,
                        const std::function<int()>& work);

}  // namespace memseal::app
