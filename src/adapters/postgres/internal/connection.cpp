#include "adapters/postgres/internal/connection.hpp"

#include "base/result.hpp"

#include <postgresql/libpq-fe.h>

#include <map>
#include <memory>

namespace memseal::postgres {

namespace {
using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

// Superusers and roles with BYPASSRLS skip row-level security. A member of memory_owner may become
// the owner of the tables and change the policies.
constexpr const char* unbound_role =
    "SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname = current_user "
    "AND (r.rolsuper OR r.rolbypassrls OR EXISTS (SELECT FROM pg_catalog.pg_roles o "
    "WHERE o.rolname = 'memory_owner' AND pg_catalog.pg_has_role(r.oid, o.oid, 'MEMBER')))";

}  // namespace

void refuse_unbound_role(pqxx::transaction_base& tx) {
  const auto found = tx.exec(unbound_role);
  if (found.empty()) return;
  throw Refused(Error{Errc::not_isolated,
                      "database: row-level security does not bind role " +
                          std::string(found[0][0].c_str()) +
                          "; connect as app_user (postgres.dsn), which `memseal migrate up` makes",
                      "postgres.dsn"});
}

// Under FORCE ROW LEVEL SECURITY the tables' owner reads nothing either.
void refuse_bound_role(pqxx::transaction_base& tx) {
  const auto role = tx.exec("SELECT rolname, rolsuper OR rolbypassrls FROM pg_catalog.pg_roles "
                            "WHERE rolname = current_user");
  if (role[0][1].as<bool>()) return;
  throw_failure({Errc::bad_config,
                 "the role " + std::string(role[0][0].c_str()) +
                     " may not read every row, because row-level security binds it: let an "
                     "administrator run role.sql (docs/backup.md), and set postgres.backup_dsn to "
                     "the address of memory_backup",
                 "postgres.backup_dsn"});
}

pqxx::connection open_connection(const std::string& dsn, Access access) {
  // A server that vanished without a word is noticed within 30 s on an idle connection and 15 s on
  // a busy one. The kernel's defaults take hours.
  std::map<std::string, std::string> settings{
      {"application_name", "memseal"}, {"connect_timeout", "3"},  {"keepalives_idle", "15"},
      {"keepalives_interval", "5"},    {"keepalives_count", "3"}, {"tcp_user_timeout", "15000"},
      {"client_encoding", "UTF8"}};
  if (access == Access::write) settings["target_session_attrs"] = "read-write";
  char* message = nullptr;
  const Options given(PQconninfoParse(dsn.c_str(), &message), &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> freed(message, &PQfreemem);
  // libpq's message is not repeated, because it may quote the password.
  if (!given) throw pqxx::broken_connection("the DSN is malformed");
  for (auto* option = given.get(); option->keyword; ++option) {
    if (option->val) settings[option->keyword] = option->val;
  }
  return pqxx::connection(settings);
}

Connection::Connection(const std::string& dsn, Access access)
    : session_(open_connection(dsn, access)) {
  // Drop the server's notices, because they may quote values. Errors come as exceptions.
  session_.set_verbosity(pqxx::error_verbosity::terse);
  session_.set_notice_handler([](pqxx::zview) noexcept {});
  pqxx::nontransaction work(session_);
  refuse_unbound_role(work);
  const auto found = work.exec(
      "SELECT pg_catalog.quote_ident(n.nspname), t.oid, "
      "pg_catalog.current_setting('transaction_read_only') FROM pg_catalog.pg_type t "
      "JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace "
      "JOIN pg_catalog.pg_extension e ON e.extnamespace = n.oid "
      "WHERE t.typname = 'halfvec' AND e.extname = 'vector'");
  if (found.empty()) {
    throw Refused(
        Error{Errc::not_migrated,
              "database: pgvector is missing or older than 0.7: run `memseal migrate up`"});
  }
  vector_schema_ = found[0][0].c_str();
  halfvec_oid_ = found[0][1].as<Oid>();
  read_only_ = found[0][2].view() == "on";
}

pqxx::prepped Connection::prepared(const Statement& statement) {
  if (!prepared_.contains(statement.name)) {
    session_.prepare(statement.name,
                     substitute(std::string(statement.sql), "vector", vector_schema_));
    prepared_.insert(statement.name);
  }
  return pqxx::prepped(statement.name);
}

std::string substitute(std::string text, std::string_view name, std::string_view value) {
  const std::string wanted = "${" + std::string(name) + "}";
  for (auto at = text.find(wanted); at != std::string::npos;
       at = text.find(wanted, at + value.size())) {
    text.replace(at, wanted.size(), value);
  }
  return text;
}

}  // namespace memseal::postgres
