// The commands about root keys: `keys` and `token`.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_init(CLI::App& keys, GlobalOptions& global, Action& action) {
  auto* init = keys.add_subcommand("init", "Write a keyring of random keys, readable by you alone");
  auto file = std::make_shared<std::string>("keyring");
  init->add_option("file", *file, "File to create; never overwritten")
      ->type_name("FILE")
      ->capture_default_str();
  set_help(*init, {"memseal keys init keyring"});
  init->callback([&, file] { action = [&global, file] { return cmd_keys_init(global, *file); }; });
}

void add_kind(CLI::App& command, KeysOptions& options) {
  command.add_option("kind", options.kind, "kek, token or dead-letters")
      ->type_name("KIND")
      ->check(CLI::IsMember({"kek", "token", "dead-letters"}));
}

void add_rotate(CLI::App& keys, GlobalOptions& global, Action& action) {
  auto* rotate = keys.add_subcommand("rotate", "Let a new key take the place of the current one");
  auto options = std::make_shared<KeysOptions>();
  add_kind(*rotate, *options);
  rotate->get_option("kind")->capture_default_str();
  rotate->add_flag("--stage", options->stage,
                   "Add the new key only; the next rotate makes it the current one");
  rotate->add_flag("--resume", options->resume,
                   "Add no key; wrap what an earlier rotation did not come to");
  rotate->add_flag("-y,--yes", options->yes, "Do not ask whether the new kek has been copied");
  set_help(*rotate,
           {"memseal keys rotate --stage", "memseal keys rotate", "memseal keys rotate token"},
           "kek           wraps tenants' keys; all of them are wrapped again, and no other\n"
           "              row changes\n"
           "token         signs bearer tokens; those of older keys stay good\n"
           "dead-letters  seals dead letters for nobody; older ones still open\n"
           "Services that read the same file follow within a second. Where hosts have\n"
           "copies: --stage, copy the file to every host, then rotate, and copy it again.\n"
           "A kek that was not staged is asked for before it wraps: copy the keyring then,\n"
           "because from then on nothing opens without that key.\n"
           "May be ended and resumed. Exit code 6: a tenant's key does not open.");
  rotate->callback(
      [&, options] { action = [&global, options] { return cmd_keys_rotate(global, *options); }; });
}

void add_retire(CLI::App& keys, GlobalOptions& global, Action& action) {
  auto* retire = keys.add_subcommand("retire", "Delete an old key that nothing needs");
  auto options = std::make_shared<KeysOptions>();
  add_kind(*retire, *options);
  retire->get_option("kind")->required();
  retire->add_option("generation", options->generation, "Its number, as `keys list` shows it")
      ->type_name("NUMBER")
      ->required();
  set_help(*retire, {"memseal keys retire kek 1", "memseal keys retire token 1"},
           "Refuses while a tenant's key or a dead letter needs it. From then on the\n"
           "database takes no key that it wraps. Tokens that it signed end.");
  retire->callback(
      [&, options] { action = [&global, options] { return cmd_keys_retire(global, *options); }; });
}

void add_token(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* token = app.add_subcommand("token", "Bearer tokens for development and tests");
  token->require_subcommand(1);
  auto* mint =
      token->add_subcommand("mint", "Print a token for one user, signed with the token key");
  auto options = std::make_shared<TokenOptions>();
  mint->add_option("--user", options->user, "User id the token speaks for")
      ->type_name("USER")
      ->required();
  mint->add_option("--lifetime-s", options->lifetime_s, "Seconds for which the token is valid")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::int64_t{1}, limits::token_lifetime_s_max))
      ->capture_default_str();
  set_help(*mint, {"memseal token mint --user alice",
                   "export MEMSEAL_TOKEN=$(memseal token mint --user alice)"});
  mint->callback(
      [&, options] { action = [&global, options] { return cmd_token_mint(global, *options); }; });
}

}  // namespace

void add_key_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* keys = app.add_subcommand("keys", "Root keys of the deployment");
  keys->require_subcommand(1);
  add_init(*keys, global, action);
  auto* list = keys->add_subcommand("list", "List the root keys and what they still hold");
  set_help(*list, {"memseal keys list", "memseal keys list --json"},
           "Shows no key, only eight digits that tell one from another. Counts what each\n"
           "kek wraps where postgres.backup_dsn is set.");
  list->callback([&] { action = [&global] { return cmd_keys_list(global); }; });
  add_rotate(*keys, global, action);
  add_retire(*keys, global, action);
  auto* verify = keys->add_subcommand("verify", "Prove that the keyring is this database's");
  set_help(*verify, {"memseal keys verify"},
           "The same as `memseal verify keys`: the check values agree, and where\n"
           "postgres.backup_dsn is set, every tenant's key opens. Exit code 6: one does not.");
  verify->callback([&] { action = [&global] { return cmd_verify(global, {"keys"}); }; });
  auto* exported =
      keys->add_subcommand("export-public", "Print the key that verifies receipts of erasures");
  set_help(*exported, {"memseal keys export-public", "memseal keys export-public --json"},
           "base64url for `memseal receipt verify --public-key`; a JWK with --json.");
  exported->callback([&] { action = [&global] { return cmd_keys_export_public(global); }; });
  add_token(app, global, action);
}

}  // namespace memseal::app
