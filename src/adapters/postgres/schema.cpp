#include "adapters/postgres/schema.hpp"

#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/errors.hpp"
#include "adapters/postgres/internal/fingerprint.hpp"
#include "adapters/postgres/internal/pooler.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "base/ids.hpp"

#include <charconv>
#include <utility>

namespace memseal::postgres {

namespace {

constexpr const char* read_settings = "SELECT key, value FROM app.settings";

Error not_migrated(const std::string& cause) {
  return Error{Errc::not_migrated, cause + ": run `memseal migrate up`"};
}

Settings settings_of(const pqxx::result& rows) {
  Settings recorded;
  for (const auto& row : rows) recorded.emplace(row[0].c_str(), row[1].c_str());
  return recorded;
}

Result<void> check_settings(const Settings& recorded, const DeploymentFingerprint& ours) {
  int version = 0;
  if (const auto found = recorded.find(setting::schema_version); found != recorded.end()) {
    const auto& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), version);
  }
  if (version < schema_version_min) {
    return not_migrated("the database is at schema version " + std::to_string(version) + ", " +
                        std::to_string(schema_version_min) + " is needed");
  }
  return compare_fingerprints(
      recorded, fingerprint_of(ours.dimension, ours.model, ours.key_check, ours.kek_checks),
      ours.kek_current);
}

// Schema app may be missing, or this user may have no right to it.
bool means_not_migrated(std::string_view sqlstate) {
  return sqlstate == "42P01" || sqlstate == "3F000" || sqlstate == "42501";
}

}  // namespace

asio::awaitable<Result<void>> check_schema(Pool& pool, runtime::RequestContext context,
                                           DeploymentFingerprint ours) {
  struct Read {
    Settings settings;
    bool missing = false;
  };
  auto work = [](SystemTx& tx) {
    Read read;
    // Asks for the privilege first, because a statement that fails with 42501 would count as one
    // that row-level security refused (memseal_rls_errors_total).
    const auto readable = tx.exec(
        "SELECT coalesce(has_table_privilege(to_regclass('app.settings'), 'SELECT'), false)");
    read.missing = !readable.one_field().as<bool>();
    if (!read.missing) read.settings = settings_of(tx.exec(read_settings));
    return read;
  };
  Read read;
  try {
    read = co_await in_system(pool, std::move(context), std::move(work));
  } catch (const Refused& refused) {
    if (refused.error().code == Errc::not_migrated) co_return refused.error();
    throw;
  }
  if (read.missing) co_return not_migrated("the database has no schema of memseal");
  co_return check_settings(read.settings, ours);
}

asio::awaitable<Result<void>> check_writable(Pool& pool, runtime::RequestContext context) {
  auto work = [](SystemTx& tx) {
    return tx.exec("SELECT pg_catalog.current_setting('transaction_read_only')")
               .one_field()
               .view() == "off";
  };
  bool is_writable = false;
  try {
    // A session that could write when it was opened may be read-only by now.
    is_writable = co_await in_system(pool, std::move(context), std::move(work), Access::write);
  } catch (const Outage& failed) {
    // Any other failure says nothing of writing.
    if (!found_read_only(failed.error().message)) throw;
  }
  if (is_writable) co_return Result<void>{};
  co_return Error{Errc::unavailable, "the database is read-only"};
}

namespace {

// An operator reads this at start. libpq's message names host, port and cause, never the password.
Error cannot_reach(std::string_view message) {
  return {Errc::unavailable, "cannot reach the database: " + first_line(message) +
                                 "; check postgres.dsn and that the server runs"};
}

/// Reads the recorded settings on a connection of its own and has `judge` decide.
template <class Judge>
Result<void> judge_settings(const std::string& dsn, const Judge& judge) {
  try {
    auto session = open_connection(dsn);
    refuse_pooler_without_statements(session, dsn);
    pqxx::read_transaction tx(session);
    auto judged = judge(settings_of(tx.exec(read_settings)));
    // A missing schema comes first, because the command that makes it also makes the role.
    if (judged) refuse_unbound_role(tx);
    return judged;
  } catch (const memseal::Failure& refused) {
    return refused.error();
  } catch (const pqxx::broken_connection& refused) {
    return cannot_reach(refused.what());
  } catch (const pqxx::sql_error& failed) {
    if (means_not_migrated(sqlstate_of(failed))) {
      return not_migrated("the database has no schema of memseal");
    }
    return failure_of(failed).error;
  } catch (const std::exception& thrown) {
    return failure_of(thrown).error;
  }
}

}  // namespace

Result<void> check_schema(const std::string& dsn, const DeploymentFingerprint& ours) {
  return judge_settings(
      dsn, [&](const Settings& recorded) { return check_settings(recorded, ours); });
}

Result<void> check_key(const std::string& dsn, const KeyCheck& ours, const KekChecks& keks,
                       std::uint32_t kek_current) {
  auto expected = fingerprint_of(0, {}, ours, keks);
  expected.erase(setting::dimension);
  return judge_settings(dsn, [&](const Settings& recorded) {
    return compare_fingerprints(recorded, expected, kek_current);
  });
}

}  // namespace memseal::postgres
