#include "app/cli/key_steps.hpp"

namespace memseal::app {

namespace {

[[noreturn]] void refuse_unset(const std::string& key, const std::string& why) {
  throw_failure({Errc::bad_config, key + " is not set (env " + env_name(key) + "): " + why, key});
}

}  // namespace

std::string reader_dsn_of(const Config& config) {
  const auto& database = config.postgres;
  return database.backup_dsn.empty() ? database.migrate_dsn : database.backup_dsn;
}

std::string owner_dsn_of(const Config& config) {
  if (config.postgres.migrate_dsn.empty())
    refuse_unset("postgres.migrate_dsn", "the database records which keys there are");
  return config.postgres.migrate_dsn;
}

void require_keyring_file(const Config& config) {
  if (!config.seal.encryption_key.empty())
    throw_failure({Errc::bad_config,
                   "the keys are given one by one (seal.encryption_key), and such keys cannot be "
                   "rotated",
                   "seal.encryption_key"});
  if (config.seal.keyring_file.empty())
    refuse_unset("seal.keyring_file", "name the file that `memseal keys init` made");
}

void require_database(const Config& config) {
  if (config.postgres.dsn.empty())
    refuse_unset("postgres.dsn", "tenants' keys are written as the role that serves");
  (void)owner_dsn_of(config);
}

std::unique_ptr<postgres::PgKeyTable> open_key_table(const Config& config, Writes writes) {
  const auto reader = reader_dsn_of(config);
  if (reader.empty())
    refuse_unset("postgres.backup_dsn", "a role that may read every tenant's keys is needed");
  return postgres::PgKeyTable::open(reader, writes == Writes::yes ? config.postgres.dsn : "")
      .value();
}

}  // namespace memseal::app
