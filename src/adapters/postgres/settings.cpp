#include "adapters/postgres/settings.hpp"

#include <postgresql/libpq-fe.h>

#include <memory>

namespace memseal::postgres {

namespace {

// libpq's own message is not repeated, because it may quote the password.
Result<void> check_dsn(const std::string& value) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(value.c_str(), nullptr), &PQconninfoFree);
  if (options) return {};
  return Error{Errc::bad_config,
               "is neither a postgresql:// address nor libpq's host=… user=…; the value is not "
               "shown, because it may hold a password"};
}

}  // namespace

SettingRows<DatabaseSettings> DatabaseSettings::rows() {
  using memseal::setting::number, memseal::setting::secret;
  return {secret("postgres.dsn", "postgresql:// address as role app_user", &DatabaseSettings::dsn,
                 check_dsn),
          secret("postgres.migrate_dsn", "postgresql:// address of the owner, for migrate and dev",
                 &DatabaseSettings::migrate_dsn, check_dsn),
          secret("postgres.backup_dsn",
                 "postgresql:// address of a role that may read every row, for backup create and "
                 "tenant list",
                 &DatabaseSettings::backup_dsn, check_dsn),
          number("postgres.connections", "database connections for requests, one thread each", 1,
                 64, &DatabaseSettings::connections),
          number("postgres.ingest_connections",
                 "further connections for ingest, so that requests wait for none of its writes", 1,
                 64, &DatabaseSettings::ingest_connections),
          number("postgres.waiting_max", "transactions that may wait for a connection", 1, 100'000,
                 &DatabaseSettings::waiting_max),
          number("postgres.verify_every_s",
                 "seconds between two looks at the catalog for what breaks isolation", 1, 3'600,
                 &DatabaseSettings::verify_every_s)};
}

}  // namespace memseal::postgres
