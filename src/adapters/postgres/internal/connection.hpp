#pragma once
#include "adapters/postgres/internal/binary.hpp"

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

/// Throws Refused{bad_config} when this session's role is a superuser, bypasses row-level security
/// or may become the tables' owner.
void refuse_unbound_role(pqxx::transaction_base& tx);

/// Opens `dsn`. memseal's defaults (timeouts, keep-alives, name) fill in what `dsn` does not set.
pqxx::connection open_connection(const std::string& dsn);

/// One database session and its prepared statements. Thread: one at a time.
class Connection {
 public:
  /// Blocks. Throws what libpqxx throws, or Refused{not_migrated} without pgvector.
  explicit Connection(const std::string& dsn);

  pqxx::connection& session() noexcept { return session_; }
  /// Element type of a halfvec[] parameter.
  Oid halfvec_oid() const noexcept { return halfvec_oid_; }

  /// The name of `statement` on this connection; prepares it first where needed.
  pqxx::prepped prepared(const Statement& statement);

 private:
  pqxx::connection session_;
  std::string vector_schema_;
  Oid halfvec_oid_ = 0;
  std::unordered_set<std::string_view> prepared_;
};

/// `text` with every `${name}` replaced by `value`.
std::string substitute(std::string text, std::string_view name, std::string_view value);

}  // namespace memseal::postgres
