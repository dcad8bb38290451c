#include "app/config/secrets.hpp"

#include <algorithm>
#include <array>

namespace memseal::app {

namespace {

// A URI has its password before the host, libpq also takes one as a keyword.
bool has_password(std::string_view address) {
  // "sslpassword" and "passfile" too. A keyword may be percent-encoded.
  if (address.find("pass") != address.npos) return true;
  const auto scheme = address.find("://");
  if (scheme == address.npos) return false;
  const auto rest = address.substr(scheme + 3);
  const auto query = rest.rfind('?');
  if (query != rest.npos && rest.find('%', query) != rest.npos) return true;
  // The last "@" of all, because parsers differ on a password with "/" or "?" in it.
  const auto at = rest.rfind('@');
  return at != rest.npos && rest.substr(0, at).find(':') != rest.npos;
}

// By name, because librdkafka has many secrets and adds more. What `config show` hides is more,
// because hiding costs nothing; here a file is refused.
bool is_secret_of_kafka(std::string_view name) {
  constexpr std::array<std::string_view, 6> words{"password", "passphrase", "secret", "jaas",
                                                  "key.pem", "oauthbearer.config"};
  return std::ranges::any_of(words, [&](auto word) { return name.find(word) != name.npos; });
}

}  // namespace

bool holds_secret(std::string_view key, std::string_view value) {
  if (value.empty()) return false;
  // The list is name=value,name=value, and what it is about stands in its names.
  if (key.starts_with(kafka::properties_key))
    return is_secret_of_kafka(key == kafka::properties_key ? value : key);
  const auto& all = settings();
  const auto setting = std::ranges::find(all, key, &Setting<Config>::key);
  if (setting == all.end() || !setting->secret) return false;
  return !(key.ends_with("dsn") || key.ends_with("url")) || has_password(value);
}

std::optional<std::string> secret_in_file(const LoadedConfig& loaded) {
  for (const auto& setting : settings())
    if (loaded.origin.at(setting.key).starts_with("file ") &&
        holds_secret(setting.key, setting.get(loaded.values)))
      return setting.key;
  return std::nullopt;
}

Result<void> check_no_owner(const LoadedConfig& loaded) {
  for (const std::string key : {"postgres.migrate_dsn", "postgres.backup_dsn"}) {
    const auto& database = loaded.values.postgres;
    if ((key == "postgres.backup_dsn" ? database.backup_dsn : database.migrate_dsn).empty())
      continue;
    return Error{Errc::bad_config,
                 key + " is set (" + loaded.origin.at(key) +
                     "), and a service must not know an address that row-level security does not "
                     "bind; set it where the command that needs it runs, and nowhere else",
                 key};
  }
  return {};
}

}  // namespace memseal::app
