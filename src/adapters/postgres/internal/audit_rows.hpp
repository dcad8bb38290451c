#pragma once
// Rows of app.audit and app.audit_checkpoints, to and from libpqxx.
#include "pure/audit/checkpoint.hpp"

#include <pqxx/pqxx>

#include <string>
#include <vector>

namespace memseal::postgres {

/// Columns of a record, in the order of record_of().
inline constexpr const char* audit_columns =
    "chain, seq, (extract(epoch FROM at) * 1000)::bigint, action, outcome, status, tenant, actor, "
    "address, request_id, documents, count, link";
audit::Record record_of(const pqxx::row& row);

inline constexpr const char* checkpoint_columns =
    "n, (extract(epoch FROM at) * 1000)::bigint, kind, chain, seq, link, previous, signature";
audit::Checkpoint checkpoint_of(const pqxx::row& row);

/// Of a row (chain, seq, link).
audit::ChainHead head_of(const pqxx::row& row);

void insert_records(pqxx::transaction_base& tx, const std::vector<audit::Record>& records);
void insert_checkpoint(pqxx::transaction_base& tx, const audit::Checkpoint& checkpoint);
/// The checkpoint of the highest number that `signer` signed; `n` is 0 where there is none.
audit::Checkpoint newest_checkpoint(pqxx::transaction_base& tx, const crypto::VerifyingKey& signer);
/// Signs `head` as the checkpoint behind `last`, stores it, and makes it `last`.
void append_checkpoint(pqxx::transaction_base& tx, audit::Checkpoint& last,
                       audit::CheckpointKind kind, const audit::ChainHead& head,
                       std::int64_t at_ms, const crypto::SigningKey& signer);

/// Taken by whoever appends checkpoints, because each names the one before it.
inline constexpr const char* lock_checkpoints =
    "SELECT pg_try_advisory_xact_lock(hashtextextended('memseal.audit_checkpoints', 0))";
/// Who has that lock: "session 123 of role x"; empty: nobody.
std::string checkpoint_lock_holder(pqxx::transaction_base& tx);

/// Another session that has changed app.audit_checkpoints and did not end its transaction.
std::string checkpoints_writer(pqxx::transaction_base& tx);

/// A row that another transaction wrote and did not commit keeps the writer of the same place
/// waiting; whoever may add rows could make that last for ever.
inline constexpr const char* wait_for_rows_little = "SET LOCAL lock_timeout = '1s'";
inline bool is_lock_timeout(const pqxx::sql_error& failed) { return failed.sqlstate() == "55P03"; }

}  // namespace memseal::postgres
