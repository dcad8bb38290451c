#pragma once
#include "adapters/postgres/internal/binary.hpp"
#include "adapters/postgres/pool.hpp"

#include <pqxx/pqxx>

#include <string>
#include <string_view>
#include <unordered_set>

namespace memseal::postgres {

/// A statement that each connection prepares once, on first use. Its name is its identity, so
/// define statements as constants. `${vector}` stands for the schema of the pgvector extension.
struct Statement {
  const char* name;
  std::string_view sql;
};

/// Throws Refused{not_isolated} when this session's role is a superuser, bypasses row-level
/// security or may become the tables' owner.
void refuse_unbound_role(pqxx::transaction_base& tx);

/// Throws Refused{bad_config} when row-level security binds this session's role, which then cannot
/// read every row.
void refuse_bound_role(pqxx::transaction_base& tx);

/// Opens `dsn`. memseal's defaults (timeouts, keep-alives, name) fill in what `dsn` does not set.
/// Access::write: also target_session_attrs=read-write.
pqxx::connection open_connection(const std::string& dsn, Access access = Access::read);

/// One database session and its prepared statements. Thread: one at a time.
class Connection {
 public:
  /// Blocks. Throws what libpqxx throws, or Refused{not_migrated} without pgvector.
  Connection(const std::string& dsn, Access access);

  pqxx::connection& session() noexcept { return session_; }
  /// Element type of a halfvec[] parameter.
  Oid halfvec_oid() const noexcept { return halfvec_oid_; }
  /// The schema of the pgvector extension, quoted.
  const std::string& vector_schema() const noexcept { return vector_schema_; }
  /// Whether the session refused writes when it began: a standby, or a read-only default.
  bool read_only() const noexcept { return read_only_; }

  /// The name of `statement` on this connection; prepares it first where needed.
  pqxx::prepped prepared(const Statement& statement);

 private:
  pqxx::connection session_;
  std::string vector_schema_;
  Oid halfvec_oid_ = 0;
  bool read_only_ = false;
  std::unordered_set<std::string_view> prepared_;
};

/// `text` with every `${name}` replaced by `value`.
std::string substitute(std::string text, std::string_view name, std::string_view value);

}  // namespace memseal::postgres
