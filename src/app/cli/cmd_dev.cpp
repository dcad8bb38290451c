// `memseal dev`: the whole service on this machine, with nothing to set up.
#include "app/cli/commands.hpp"
#include "app/cli/local_postgres.hpp"
#include "app/service/keys.hpp"
#include "app/service/log_setup.hpp"
#include "app/service/migrations.hpp"

#include "adapters/kafka/embedded_broker.hpp"
#include "app/service/service.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/token.hpp"
#include "runtime/wall_clock.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

/// Where keys and the private database live. A temporary folder is removed at the end.
class DevFolder {
 public:
  static Result<DevFolder> make(const std::string& given) {
    DevFolder folder;
    std::error_code failure;
    if (!given.empty()) {
      folder.path_ = fs::absolute(given);
      fs::create_directories(folder.path_, failure);
      if (failure) return Error{Errc::bad_config, "cannot create " + given};
      return folder;
    }
    auto pattern = (fs::temp_directory_path(failure) / "memseal-dev-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      return Error{Errc::unavailable, "cannot create a temporary folder"};
    folder.path_ = pattern;
    folder.temporary_ = true;
    return folder;
  }
  ~DevFolder() {
    std::error_code ignored;
    if (temporary_) fs::remove_all(path_, ignored);
  }
  DevFolder(DevFolder&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, false)) {}
  DevFolder& operator=(DevFolder&&) = delete;

  const fs::path& path() const { return path_; }

 private:
  DevFolder() = default;
  fs::path path_;
  bool temporary_ = false;
};

std::string with_user(const std::string& owner_dsn, const std::string& user,
                      const std::string& password) {
  // In libpq's key=value form the later keyword wins. In an address the user part is replaced,
  // because an address has only one.
  const auto scheme = owner_dsn.find("://");
  if (scheme == std::string::npos) return owner_dsn + " user=" + user + " password=" + password;
  const auto begin = scheme + 3;
  const auto at = owner_dsn.find('@', begin);
  const auto host = at == std::string::npos ? begin : at + 1;
  return owner_dsn.substr(0, begin) + user + ":" + password + "@" + owner_dsn.substr(host);
}

Result<void> prepare_keys(Config& config, const fs::path& folder) {
  if (!config.seal.keyring_file.empty() || !config.seal.encryption_key.empty()) return {};
  config.seal.keyring_file = folder / "keyring";
  if (fs::exists(config.seal.keyring_file)) return {};
  return crypto::Keyring::create(config.seal.keyring_file);
}

Result<void> migrate_for_dev(Config& config, const std::string& owner_dsn) {
  auto migration = migrate_options_of(config, owner_dsn, "");
  if (!migration) return migration.error();
  std::uint8_t bytes[24];
  crypto::fill_random(bytes);
  migration->app_user_password = to_hex(bytes, sizeof bytes);
  if (auto done = postgres::migrate_up(*migration); !done) return done.error();
  config.postgres.dsn = with_user(owner_dsn, "app_user", migration->app_user_password);
  return {};
}

void announce(const Config& config, const Service& service, const DevOptions& options,
              const std::string& token) {
  const auto url = "http://127.0.0.1:" + std::to_string(service.port());
  std::printf(
      "memseal is ready: %s\n\n"
      "  Kafka    %s   (topics %s, %s)\n"
      "  token    %s\n"
      "           (user %s, valid for a day)\n\n"
      "Store a document:\n"
      "  MEMSEAL__KAFKA__BROKERS=%s memseal publish upload --user %s README.md\n\n"
      "Ask:\n"
      "  curl -N %s/api/v1/memory/query -H 'Accept: text/event-stream' \\\n"
      "    -H 'Content-Type: application/json' -d '{\"query\":\"how do I start?\"}' \\\n"
      "    -H 'Authorization: Bearer %s'\n\n"
      "Ctrl-C stops everything.\n",
      url.c_str(), config.kafka.brokers.c_str(), config.kafka.upload_topic.c_str(),
      config.kafka.chat_topic.c_str(), token.c_str(), options.user.c_str(),
      config.kafka.brokers.c_str(), options.user.c_str(), url.c_str(), token.c_str());
  std::fflush(stdout);
}

int fail(const Error& error) {
  complain(error);
  return exit_usage;
}

}  // namespace

int cmd_dev(const GlobalOptions& global, const DevOptions& options) {
  auto config = read_config(global);
  if (!config) return exit_usage;
  set_up_log(*config);
  const auto user = UserId::parse(options.user);
  if (!user) return fail(user.error());
  const auto folder = DevFolder::make(options.directory);
  if (!folder) return fail(folder.error());
  if (auto made = prepare_keys(*config, folder->path()); !made) return fail(made.error());

  auto owner_dsn = options.pg.empty() ? config->postgres.migrate_dsn : options.pg;
  std::unique_ptr<LocalPostgres> database;
  if (owner_dsn.empty()) {
    if (!global.quiet) std::fprintf(stderr, "starting a private PostgreSQL…\n");
    auto started = LocalPostgres::start(folder->path());
    if (!started) return fail(started.error());
    database = std::move(*started);
    owner_dsn = database->dsn();
  }
  if (auto migrated = migrate_for_dev(*config, owner_dsn); !migrated) return fail(migrated.error());

  std::optional<kafka::EmbeddedBroker> broker;
  if (config->kafka.brokers.empty()) {
    broker.emplace();
    broker->create_topic(config->kafka.upload_topic, 4);
    broker->create_topic(config->kafka.chat_topic, 4);
    for (const auto& topic : {config->kafka.upload_topic, config->kafka.chat_topic})
      broker->create_topic(topic + ".dlq", 1);
    broker->create_topic(config->kafka.status_topic, 4);
    config->kafka.create_topics = false;
    config->kafka.brokers = broker->bootstrap();
  }
  auto service = Service::make(*config);
  if (!service) return fail(service.error());
  const auto keyring = load_keyring(*config);
  if (!keyring) return fail(keyring.error());
  const auto now_s = runtime::unix_ms() / 1'000;
  const auto token = crypto::mint_hs256(keyring->token_key(), *user, now_s, 86'400,
                                        {config->auth.issuer, config->auth.audience});
  return (*service)->run([&] { announce(*config, **service, options, token); });
}

}  // namespace memseal::app
