#include "app/config/secrets.hpp"

#include "pure/codec/url.hpp"

#include <algorithm>
#include <array>

namespace memseal::app {

namespace {

/// "password = x" and "sslpassword=x" among the words of libpq's other form of an address.
bool has_password_word(std::string_view words) {
  constexpr std::string_view word = "password";
  for (auto at = words.find(word); at != words.npos; at = words.find(word, at + 1)) {
    const auto next = words.find_first_not_of(" \t\n", at + word.size());
    if (next != words.npos && words[next] == '=') return true;
  }
  return false;
}

/// The same among the parameters of a URI, whose names may be percent-encoded.
bool has_password_parameter(std::string_view query) {
  while (!query.empty()) {
    const auto parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), parameter.size() + 1));
    const auto name = codec::percent_decode(parameter.substr(0, parameter.find('=')));
    if (!name || name->ends_with("password")) return true;
  }
  return false;
}

// A URI has its password before the host, libpq also takes one as a keyword. `passfile` names a
// file, which is no secret.
bool has_password(std::string_view address) {
  const auto scheme = address.find("://");
  if (scheme == address.npos) return has_password_word(address);
  const auto rest = address.substr(scheme + 3);
  const auto query = rest.rfind('?');
  if (query != rest.npos && has_password_parameter(rest.substr(query + 1))) return true;
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
