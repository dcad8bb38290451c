#include "adapters/postgres/catalog.hpp"

#include "adapters/postgres/internal/catalog_lint.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/run_command.hpp"

#include <utility>

namespace memseal::postgres {

namespace {

std::vector<LintFinding> lint_transaction(pqxx::transaction_base& tx, bool serves) {
  // A lock that somebody holds on a table must not hold this one up: the next look comes soon.
  tx.exec("SET LOCAL search_path = ''; SET LOCAL lock_timeout = '1s'");
  return serves ? lint_catalog_and_session(tx) : lint_catalog(tx);
}

Result<std::vector<LintFinding>> lint_once(const std::string& dsn, bool serves) {
  return run_command([&] {
    auto session = open_connection(dsn);
    pqxx::read_transaction tx(session);
    return lint_transaction(tx, serves);
  });
}

}  // namespace

std::string describe(const std::vector<LintFinding>& findings, std::size_t named_max) {
  std::string text;
  for (std::size_t i = 0; i < findings.size() && i < named_max; ++i)
    text += (i ? ", " : "") + findings[i].rule + " (" + findings[i].where + ")";
  if (findings.size() > named_max)
    text += " and " + std::to_string(findings.size() - named_max) + " more";
  return text;
}

Result<std::vector<LintFinding>> lint(const std::string& dsn) { return lint_once(dsn, false); }

Result<std::vector<LintFinding>> lint_as_service(const std::string& dsn) {
  return lint_once(dsn, true);
}

asio::awaitable<std::vector<LintFinding>> lint_as_service(Pool& pool,
                                                          runtime::RequestContext context) {
  auto work = [](SystemTx& tx) { return lint_transaction(tx.transaction(), true); };
  co_return co_await in_system(pool, std::move(context), std::move(work));
}

Result<void> check_isolation(const std::vector<LintFinding>& findings) {
  if (findings.empty()) return {};
  return Error{Errc::not_isolated,
               "the database does not keep tenants apart: " + describe(findings, 3) +
                   "; restore what `memseal migrate up` made, `memseal verify rls` lists all"};
}

}  // namespace memseal::postgres
