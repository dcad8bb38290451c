// `memseal dev`: the whole service on this machine, with nothing to set up.
#include "app/cli/commands.hpp"
#include "app/cli/dev_announcement.hpp"
#include "app/cli/dev_env_file.hpp"
#include "app/cli/dev_folder.hpp"
#include "app/cli/dev_settings.hpp"
#include "app/cli/local_postgres.hpp"
#include "app/cli/port_forward.hpp"
#include "app/config/listen_address.hpp"
#include "app/service/keys.hpp"
#include "app/service/log_setup.hpp"
#include "app/service/migrations.hpp"
#include "app/service/producers.hpp"

#include "adapters/kafka/embedded_broker.hpp"
#include "app/service/service.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/token.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <charconv>
#include <cstdio>
#include <optional>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t token_lifetime_s = 86'400;
/// The embedded broker answers a fetch no sooner than its wait ends, so the wait is short.
constexpr std::chrono::milliseconds embedded_fetch_wait{5};

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

std::string random_password() {
  std::uint8_t bytes[24];
  crypto::fill_random(bytes);
  return to_hex(bytes, sizeof bytes);
}

Result<void> migrate_for_dev(Config& config, const std::string& owner_dsn) {
  auto migration = migrate_options_of(config, owner_dsn, "");
  if (!migration) return migration.error();
  migration->app_user_password = random_password();
  if (auto done = postgres::migrate_up(*migration); !done) return done.error();
  config.postgres.dsn = with_user(owner_dsn, "app_user", migration->app_user_password);
  return {};
}

/// Looks at once whether the ports are free, because a database takes seconds to make. Says how to
/// choose others.
Result<void> check_port_free(const std::string& address, const std::string& key) {
  const auto listen = ListenAddress::parse(address, key);
  if (!listen || listen->port == 0) return {};  // The listener itself refuses what is malformed.
  boost::system::error_code failure;
  const auto host = asio::ip::make_address(listen->host, failure);
  if (failure) return {};
  asio::io_context loop(1);
  asio::ip::tcp::acceptor probe(loop);
  const asio::ip::tcp::endpoint place(host, listen->port);
  probe.open(place.protocol(), failure);
  if (!failure) probe.set_option(asio::ip::tcp::acceptor::reuse_address(true), failure);
  if (!failure) probe.bind(place, failure);
  if (failure != asio::error::address_in_use) return {};
  return Error{Errc::bad_config,
               address + " is in use, perhaps by another `memseal dev`: stop that, or choose "
                         "another port with --set " + key + "=127.0.0.1:0",
               key};
}

/// The broker of this process, and the fixed port at which it is found, if one was asked for.
struct OwnBroker {
  std::optional<PortForward> door;
  std::optional<kafka::EmbeddedBroker> broker;

  std::uint16_t port() const {
    const auto& place = broker->bootstrap();
    std::uint16_t port = 0;
    const auto colon = place.rfind(':') + 1;
    std::from_chars(place.data() + colon, place.data() + place.size(), port);
    return port;
  }
};

void start_broker(Config& config, OwnBroker& own) {
  auto& kafka = config.kafka;
  auto& broker = own.broker.emplace();
  for (const auto& topic : event_topics(config)) {
    broker.create_topic(topic, 4);
    broker.create_topic(topic + std::string(kafka::dead_letter_suffix), 1);
  }
  broker.create_topic(kafka.status_topic, 4);
  kafka.create_topics = false;
  kafka.brokers = broker.bootstrap();
}

std::string own_path() {
  std::error_code failure;
  const auto path = fs::read_symlink("/proc/self/exe", failure);
  return failure ? "memseal" : path.string();
}

/// The address of a listener whose port may have been chosen by the system.
std::string url_of(const std::string& address, const char* key, std::uint16_t port) {
  auto listen = ListenAddress::parse(address, key).value();
  listen.port = port;
  return listen.url();
}

std::string without_scheme(const std::string& url) {
  return url.empty() ? url : url.substr(std::string_view("http://").size());
}

Result<DevView> view_of(const Config& config, const Service& service, const UserId& user) {
  const auto keyring = load_keyring(config);
  if (!keyring) return keyring.error();
  const auto url = url_of(config.http.listen, "http.listen", service.port());
  const auto admin_url =
      service.admin_port() == 0
          ? std::string()
          : url_of(config.http.admin_listen, "http.admin_listen", service.admin_port());
  const auto now_s = runtime::unix_ms() / 1'000;
  return DevView{.program = own_path(),
                 .url = url,
                 .listen = without_scheme(url),
                 .admin_listen = without_scheme(admin_url),
                 .admin_token = config.http.admin_token,
                 .brokers = config.kafka.brokers,
                 .upload_topic = config.kafka.upload_topic,
                 .chat_topic = config.kafka.chat_topic,
                 .status_topic = config.kafka.status_topic,
                 .user = user.value(),
                 .token = crypto::mint_hs256(keyring->token_key(), user, now_s, token_lifetime_s,
                                             {config.auth.issuer, config.auth.audience},
                                             keyring->token_kid()),
                 .expires_s = now_s + token_lifetime_s};
}

int fail(const Error& error) {
  complain(error);
  return exit_usage;
}

/// Everything that can be wrong and is seen at once, before a database is made.
Result<void> check_at_once(const Config& config, const DevOptions& options, OwnBroker& own,
                           std::optional<EnvFile>& env_file) {
  if (!options.env_file.empty()) {
    auto claimed = EnvFile::claim(options.env_file);
    if (!claimed) return claimed.error();
    env_file.emplace(std::move(*claimed));
  }
  if (auto free = check_port_free(config.http.listen, "http.listen"); !free) return free;
  if (auto free = check_port_free(config.http.admin_listen, "http.admin_listen"); !free)
    return free;
  if (options.kafka_port == 0) return {};
  if (!config.kafka.brokers.empty())
    return Error{Errc::bad_config, "--kafka-port is for the broker of `memseal dev`, and "
                                   "kafka.brokers names another"};
  auto door = PortForward::bind(static_cast<std::uint16_t>(options.kafka_port));
  if (!door) return door.error();
  own.door.emplace(std::move(*door));
  return {};
}

int run_service(const GlobalOptions& global, const Config& config, const DevOptions& options,
                const UserId& user, OwnBroker& own, std::optional<EnvFile>& env_file) {
  std::string page;
  Extras extras;
  extras.start_page = [&page] { return page; };
  if (own.broker) extras.fetch_wait = embedded_fetch_wait;
  if (own.door) extras.beside = [&own] { return own.door->run(own.port()); };
  auto service = Service::make(config, std::move(extras));
  if (!service) return fail(service.error());
  auto view = view_of(config, **service, user);
  if (!view) return fail(view.error());
  if (options.kafka_port != 0) view->brokers = "127.0.0.1:" + std::to_string(options.kafka_port);
  if (env_file) view->env_file = env_file->path();
  page = start_page(*view);
  return (*service)->run([&] {
    if (env_file)
      if (auto written = env_file->write(export_lines(*view)); !written) {
        complain(written.error());
        view->env_file.clear();
      }
    std::fputs((global.json ? announcement_json(*view) : announcement(*view)).c_str(), stdout);
    std::fflush(stdout);
  });
}

}  // namespace

int cmd_dev(const GlobalOptions& global, const DevOptions& options) {
  // Read once, because a file of settings may be a pipe.
  auto loaded = read_sound_config(global);
  if (!loaded) return exit_usage;
  auto* const config = &loaded->values;
  if (global.quiet && config->log.level == "info") config->log.level = "warn";
  set_up_log(*config);
  const auto user = UserId::parse(options.user);
  if (!user) return fail(user.error());
  OwnBroker own;
  std::optional<EnvFile> env_file;
  if (auto sound = check_at_once(*config, options, own, env_file); !sound)
    return fail(sound.error());
  const auto folder = DevFolder::make(options.directory);
  if (!folder) return fail(folder.error());
  if (env_file)
    if (auto removed = env_file->remove_earlier(); !removed) return fail(removed.error());
  if (auto made = prepare_keys(*config, folder->path()); !made) return fail(made.error());
  if (config->files.directory.empty()) config->files.directory = folder->path() / "files";
  lift_rate_limit(*loaded);
  if (config->http.admin_token.empty()) config->http.admin_token = random_password();

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
  if (config->kafka.brokers.empty()) start_broker(*config, own);
  open_to_producers(*loaded);
  return run_service(global, *config, options, *user, own, env_file);
}

}  // namespace memseal::app
