// `memseal verify`: proofs of isolation and sealing that an operator runs.
#include "adapters/postgres/schema.hpp"
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/key_steps.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/cli/verify_seal.hpp"
#include "app/config/config.hpp"
#include "app/service/keys.hpp"
#include "cases/lifecycle/rewrap.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>

namespace memseal::app {

namespace json = boost::json;

namespace {

using Proofs = std::vector<Proof>;

/// A family of proofs, which can be run alone.
struct Suite {
  const char* name;
  std::function<Result<Proofs>(const Config&)> run;
};

/// Throws Failure.
Proof prove_tenant_keys(const Config& config, const crypto::Keyring& keyring) {
  const auto seen = lifecycle::verify_keys(*open_key_table(config, Writes::no), keyring, {});
  return {"every tenant's key opens", seen.unopened == 0,
          std::to_string(seen.sound) + " open, " + std::to_string(seen.unopened) + " do not"};
}

Result<Proofs> verify_root_keys(const Config& config) {
  const auto keyring = load_keyring(config);
  if (!keyring) return Proofs{{"the root keys can be read", false, keyring.error().message}};
  auto proofs = verify_keyring(*keyring);
  const auto known = postgres::check_key(config.postgres.dsn, keyring->tenant_key_check(),
                                         keyring->kek_checks(), keyring->kek_epoch());
  if (!known && known.error().code != Errc::key_invalid &&
      known.error().code != Errc::key_missing)
    return known.error();
  proofs.push_back({"the root keys are those that this database was written with",
                    known.has_value(), known ? "the check values agree" : known.error().message});
  if (!reader_dsn_of(config).empty()) proofs.push_back(prove_tenant_keys(config, *keyring));
  return proofs;
}

const std::vector<Suite>& suites() {
  static const std::vector<Suite> all{
      {"rls", [](const Config& config) { return postgres::verify_rls(config.postgres.dsn); }},
      {"leak", [](const Config& config) { return postgres::verify_leak(config.postgres.dsn); }},
      {"plans", [](const Config& config) { return postgres::verify_plans(config.postgres.dsn); }},
      {"seal", [](const Config&) -> Result<Proofs> { return verify_seal(); }},
      {"keys", verify_root_keys}};
  return all;
}

std::string proof_text(const std::string& text) { return one_line(text, 1'000); }

void print_suite(const char* name, const Proofs& proofs) {
  const auto held = std::count_if(proofs.begin(), proofs.end(), [](auto& p) { return p.holds; });
  std::printf("%-6s %td of %zu\n", name, held, proofs.size());
  for (const auto& proof : proofs)
    // The names in a database are its owner's choice.
    std::printf("  %s %s: %s\n", proof.holds ? "ok  " : "FAIL", proof_text(proof.name).c_str(),
                proof_text(proof.detail).c_str());
}

json::object object_of(const char* suite, const Proof& proof) {
  return {{"suite", suite},
          {"name", proof.name},
          {"holds", proof.holds},
          {"detail", proof.detail}};
}

}  // namespace

int cmd_verify(const GlobalOptions& global, const std::vector<std::string>& wanted) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto is_wanted = [&](const char* name) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  const bool seal_alone = wanted.size() == 1 && wanted[0] == "seal";
  if (config->postgres.dsn.empty() && !seal_alone) {
    complain({Errc::bad_config,
              "postgres.dsn is not set (env " + env_name("postgres.dsn") +
                  "): name the database, as the role that serves",
              "postgres.dsn"});
    return exit_usage;
  }
  json::array all;
  std::string broken;
  for (const auto& suite : suites()) {
    if (!is_wanted(suite.name)) continue;
    auto ran = suite.run(*config);
    if (!ran && errc_row(ran.error().code).transient()) {
      complain(ran.error());
      return exit_not_ready;
    }
    // What cannot be proven does not hold: the database may refuse because it was changed.
    const auto proofs =
        ran ? std::move(*ran) : Proofs{{"the proofs can be made", false, ran.error().message}};
    if (!global.json) print_suite(suite.name, proofs);
    for (const auto& proof : proofs) {
      all.push_back(object_of(suite.name, proof));
      if (!proof.holds) broken += (broken.empty() ? "" : "; ") + proof.name;
    }
  }
  const bool approved = broken.empty();
  if (!global.json) std::printf("%s\n", approved ? "APPROVED" : "REFUSED");
  json::object report{{"approved", approved}, {"proofs", std::move(all)}};
  std::optional<Error> fault;
  if (!approved) fault = {Errc::not_isolated, "this does not hold: " + broken};
  return finish_report(global, std::move(report), fault, exit_finding);
}

void add_verify_command(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* verify = app.add_subcommand(
      "verify", "Prove on the configured database and keys that tenants are kept apart");
  auto wanted = std::make_shared<std::vector<std::string>>();
  std::vector<std::string> names;
  for (const auto& suite : suites()) names.emplace_back(suite.name);
  verify->add_option("suite", *wanted, "What to prove; all by default")
      ->type_name("SUITE")
      ->check(CLI::IsMember(names));
  set_help(*verify, {"memseal verify", "memseal verify rls plans", "memseal verify --json"},
           "rls    policies, roles and grants in the catalog\n"
           "leak   rows of two new tenants, looked for by each other and by a third\n"
           "plans  every statement of the service reads by an index on the tenant\n"
           "seal   no changed seal opens, and none opens in another place\n"
           "keys   the root keys wrap tenants' keys, and belong to this database\n"
           "Nothing stays in the database. Exit code 6: something does not hold.");
  verify->callback(
      [&, wanted] { action = [&global, wanted] { return cmd_verify(global, *wanted); }; });
}

}  // namespace memseal::app
