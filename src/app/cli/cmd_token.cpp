#include "app/cli/console.hpp"
#include "app/service/keys.hpp"
#include "pure/crypto/token.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/object.hpp>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

int cmd_token_mint(const GlobalOptions& global, const TokenOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  if (!config->auth.jwks_file.empty()) {
    complain({Errc::bad_config,
              "auth.jwks_file is set: your identity provider mints the tokens, not this command"});
    return exit_usage;
  }
  const auto keyring = load_keyring(*config);
  if (!keyring) {
    complain(keyring.error());
    return exit_usage;
  }
  const auto user = UserId::parse(options.user);
  if (!user) {
    complain(user.error());
    return exit_usage;
  }
  const auto now_s = runtime::unix_ms() / 1'000;
  const auto token = crypto::mint_hs256(keyring->token_key(), *user, now_s, options.lifetime_s,
                                        {config->auth.issuer, config->auth.audience},
                                        keyring->token_kid());
  if (global.json)
    print_json(json::object{{"token", token}, {"expires_at", now_s + options.lifetime_s}});
  else
    std::printf("%s\n", token.c_str());
  return exit_ok;
}

}  // namespace memseal::app
