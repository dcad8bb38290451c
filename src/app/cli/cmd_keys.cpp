// `memseal keys`: the root keys of a deployment, and how one takes the place of another.
#include "adapters/postgres/key_table.hpp"
#include "adapters/postgres/schema.hpp"
#include "app/cli/console.hpp"
#include "app/cli/dead_letter_box.hpp"
#include "app/cli/key_steps.hpp"
#include "app/cli/operator_audit.hpp"
#include "app/cli/progress_line.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/service/keys.hpp"
#include "app/service/own_memory.hpp"
#include "app/service/watched_file.hpp"
#include "cases/ingest/dead_letter.hpp"
#include "cases/lifecycle/rewrap.hpp"
#include "pure/codec/base64.hpp"

#include <boost/json/object.hpp>

#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace memseal::app {

namespace json = boost::json;

using crypto::RootKey;

namespace {

/// Runs `work` with the configuration. Returns the exit code, also of what it throws.
int with_config(const GlobalOptions& global, const std::function<int(const Config&)>& work) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  try {
    return work(*config);
  } catch (const Failure& failed) {
    complain(failed.error());
    return failed.error().code == Errc::unavailable ? exit_not_ready : exit_usage;
  }
}

/// The same for what changes keys: the audit log has it.
int with_recorded(const GlobalOptions& global, const std::string& action,
                  const std::function<int(const Config&)>& work) {
  return with_config(global, [&](const Config& config) {
    return audited_if_possible(config, action, std::nullopt, [&] { return work(config); });
  });
}

const char* state_word(crypto::RootKeyInfo::State state) {
  switch (state) {
    case crypto::RootKeyInfo::State::reads:
      return "reads";
    case crypto::RootKeyInfo::State::current:
      return "current";
    case crypto::RootKeyInfo::State::staged:
      return "staged";
  }
  return "";
}

std::string name_of(RootKey kind, std::uint32_t generation) {
  return std::string(crypto::root_key_name(kind)) + " " + std::to_string(generation);
}

std::string keys_of(std::int64_t count) {
  return count_of(static_cast<std::size_t>(count), "tenant key");
}

postgres::KeyringMark mark_of(const crypto::Keyring& keyring) {
  return {keyring.tenant_key_check(), keyring.kek_checks(), keyring.kek_epoch()};
}

/// Throws Failure unless the addresses lead to one database, and it is the keyring's. Returns the
/// newest KEK that it records.
std::uint32_t check_keyring_databases(const Config& config, const postgres::KeyringMark& mark) {
  return postgres::check_databases({config.postgres.dsn, reader_dsn_of(config)},
                                   owner_dsn_of(config), mark)
      .value();
}

/// How many tenants' keys each KEK wraps; empty where no role is set that may read every row, or
/// the database does not answer.
std::optional<std::map<std::uint32_t, std::int64_t>> counts_of(const Config& config) {
  if (reader_dsn_of(config).empty()) return std::nullopt;
  try {
    return open_key_table(config, Writes::no)->count_by_epoch();
  } catch (const Failure& failed) {
    hint("tenants' keys are not counted: " + failed.error().message);
    return std::nullopt;
  }
}

void print_key(const crypto::RootKeyInfo& key, const std::string& check,
               const std::optional<std::int64_t>& wraps) {
  std::printf("%-12s  %10" PRIu32 "  %-7s  %s", std::string(root_key_name(key.kind)).c_str(),
              key.generation, state_word(key.state), check.c_str());
  if (wraps) std::printf("  wraps %s", keys_of(*wraps).c_str());
  std::printf("\n");
}

}  // namespace

int cmd_keys_init(const GlobalOptions& global, const std::string& file) {
  close_own_memory();
  if (auto made = crypto::Keyring::create(file); !made) {
    complain(made.error());
    return exit_failed;
  }
  if (global.json) print_json(json::object{{"file", file}});
  if (!global.quiet)
    std::fprintf(stderr,
                 "wrote %s (mode 0600). Keep a copy apart from the database: without this file\n"
                 "the rows cannot be opened, and with another keyring they cannot be found.\n",
                 file.c_str());
  return exit_ok;
}

int cmd_keys_list(const GlobalOptions& global) {
  return with_config(global, [&](const Config& config) {
    const auto keyring = load_keyring(config).value();
    const auto counts = counts_of(config);
    for (const auto& key : keyring.list()) {
      std::optional<std::int64_t> wraps;
      if (counts && key.kind == RootKey::kek) {
        const auto found = counts->find(key.generation);
        wraps = found == counts->end() ? 0 : found->second;
      }
      const auto check = to_hex(key.check.data(), 4);
      if (!global.json) {
        print_key(key, check, wraps);
        continue;
      }
      json::object shown{{"kind", crypto::root_key_name(key.kind)},
                         {"generation", key.generation},
                         {"state", state_word(key.state)},
                         {"check", check}};
      if (wraps) shown["tenant_keys"] = *wraps;
      print_json(shown);
    }
    return exit_ok;
  });
}

namespace {

/// Whether the keyring's newest KEK waits for its turn. Its file has been copied since, or may have
/// been: that is what staging is for.
bool has_staged_kek(const Config& config) {
  const auto keyring = crypto::Keyring::load(config.seal.keyring_file).value();
  return keyring.newest_kek() > keyring.kek_epoch();
}

/// Throws Failure where a KEK would wrap every tenant's key before anybody could copy it.
void refuse_unasked(const Config& config, const KeysOptions& options) {
  if (options.yes || has_staged_kek(config)) return;
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0)
    throw_failure({Errc::bad_request,
                   "without a terminal nobody can be asked whether the new key has been copied: "
                   "run `memseal keys rotate --stage`, copy the keyring, and run this again, or "
                   "give --yes"});
}

/// Asks the person at the terminal for a copy of the file, which has the new KEK by now. Throws
/// Failure where there is none; the key then stays staged.
void ask_for_copy(const Config& config, std::uint32_t generation) {
  std::fprintf(stderr,
               "memseal: %s is in %s. Copy that file now, apart from the database: once the key\n"
               "wraps, nothing opens without it. Is it copied? [y/N] ",
               name_of(RootKey::kek, generation).c_str(), config.seal.keyring_file.c_str());
  std::fflush(stderr);
  char answer[16] = {};
  if (std::fgets(answer, sizeof answer, stdin) != nullptr &&
      (answer[0] == 'y' || answer[0] == 'Y'))
    return;
  throw_failure({Errc::bad_request, name_of(RootKey::kek, generation) +
                                        " stays staged: copy the keyring, and run this again"});
}

/// Adds a key to the file, and makes it the current one unless it is to be staged alone.
std::uint32_t make_current(const Config& config, RootKey kind, const KeysOptions& options) {
  const auto& file = config.seal.keyring_file;
  const bool asks = kind == RootKey::kek && !options.stage && !options.yes &&
                    !has_staged_kek(config);
  const auto generation = crypto::Keyring::stage(file, kind).value();
  if (options.stage) return generation;
  if (asks) ask_for_copy(config, generation);
  if (kind == RootKey::kek) {
    // Before it wraps anything: two hosts that rotate copies of one keyring make two keys of one
    // epoch, and the rows of one of them would never open again.
    const auto mark = mark_of(crypto::Keyring::load(file).value());
    if (auto recorded = postgres::record_kek(owner_dsn_of(config), mark, generation); !recorded) {
      if (recorded.error().code == Errc::key_invalid)
        crypto::Keyring::remove(file, kind, generation).value();
      throw_failure(recorded.error());
    }
  }
  crypto::Keyring::promote(file, kind, generation).value();
  return generation;
}

/// The table to rewrap, once the database is known to be this keyring's. Throws Failure.
std::unique_ptr<postgres::PgKeyTable> table_to_rewrap(const Config& config, bool resume) {
  require_database(config);
  const auto keyring = crypto::Keyring::load(config.seal.keyring_file).value();
  postgres::check_key(config.postgres.dsn, keyring.tenant_key_check(), keyring.kek_checks(),
                      keyring.kek_epoch())
      .value();
  const auto newest = check_keyring_databases(config, mark_of(keyring));
  if (resume && newest > keyring.kek_epoch())
    throw_failure({Errc::key_invalid,
                   "the database records " + name_of(RootKey::kek, newest) +
                       ", and the keyring's current one is " +
                       std::to_string(keyring.kek_epoch()) +
                       ": fetch the newest keyring, or run `memseal keys rotate` where a rotation "
                       "ended in the middle"});
  return open_key_table(config, Writes::yes);
}

/// Wraps what older KEKs wrap. Returns the exit code.
int rewrap(const GlobalOptions& global, const Config& config, ports::KeyTable& table,
           json::object report) {
  const auto keyring = crypto::Keyring::load(config.seal.keyring_file).value();
  std::int64_t total = 0;
  for (const auto& [epoch, count] : table.count_by_epoch())
    if (epoch != keyring.kek_epoch()) total += count;
  ProgressLine line(shows_progress(global));
  const auto start = std::chrono::steady_clock::now();
  const auto done = lifecycle::rewrap_keys(table, keyring, [&](std::int64_t keys) {
    line.show("wrapping: " + std::to_string(keys) + " of " + keys_of(total));
  });
  line.clear();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  report["rewrapped"] = done.sound;
  report["unopened"] = done.unopened;
  report["seconds"] = took.count();
  if (!global.json)
    std::printf("%s wrapped by kek %" PRIu32 " in %.1f s\n", keys_of(done.sound).c_str(),
                keyring.kek_epoch(), took.count());
  std::optional<Error> fault;
  if (done.unopened > 0)
    fault = Error{Errc::open_failed, keys_of(done.unopened) +
                                         " did not open and stayed as they were: see "
                                         "docs/keys.md, and do not retire the old key"};
  return finish_report(global, std::move(report), fault, exit_finding);
}

}  // namespace

int cmd_keys_rotate(const GlobalOptions& global, const KeysOptions& options) {
  return with_recorded(global, "operator.keys_rotate/" + options.kind, [&](const Config& config) {
    const auto kind = crypto::parse_root_key(options.kind).value();
    if (options.resume && (options.stage || kind != RootKey::kek))
      throw_failure({Errc::bad_request, "--resume goes on with a rotation of the kek"});
    require_keyring_file(config);
    // Held to the end, so that another rotation does not make a third key meanwhile.
    const auto lock = FolderLock::take(config.seal.keyring_file).value();
    // Before the file changes, because a database that does not answer is no reason to change it.
    const bool wraps = kind == RootKey::kek && !options.stage;
    if (wraps && !options.resume) refuse_unasked(config, options);
    const auto table = wraps ? table_to_rewrap(config, options.resume) : nullptr;
    json::object report{{"kind", options.kind}};
    if (!options.resume) {
      const auto generation = make_current(config, kind, options);
      report["generation"] = generation;
      report["state"] = options.stage ? "staged" : "current";
      hint(options.stage
               ? name_of(kind, generation) + " is staged: give the file to every host, then run "
                                             "`memseal keys rotate " + options.kind + "`"
               : name_of(kind, generation) + " is the current key: copy the keyring now");
    }
    return wraps ? rewrap(global, config, *table, std::move(report))
                 : finish_report(global, std::move(report), {}, exit_ok);
  });
}

namespace {

/// Letters for nobody that only this key opens.
std::int64_t letters_under(const Config& config, std::uint32_t generation) {
  DeadLetterBox box(config);
  std::int64_t count = 0;
  std::vector<ingest::Letter> letters;
  box.for_each({}, [&](const ingest::Letter& letter) {
    if (!letter.is_for_tenant && letter.value_omitted.empty()) letters.push_back(letter);
    return true;
  });
  box.for_each_batch(letters, [&](const auto&, const std::vector<std::string>& values) {
    for (const auto& value : values) {
      const auto id = ingest::dead_letter_key_id(value);
      if (id && *id == generation) ++count;
    }
  });
  return count;
}

/// Throws Failure while something needs the key.
void refuse_if_needed(const Config& config, const crypto::Keyring& keyring, RootKey kind,
                      std::uint32_t generation) {
  if (kind == RootKey::dead_letters) {
    if (const auto letters = letters_under(config, generation); letters > 0)
      throw_failure({Errc::bad_request,
                     count_of(static_cast<std::size_t>(letters), "dead letter") +
                         " would never open again: replay or discard them (memseal dlq)"});
    return;
  }
  if (kind != RootKey::kek) return;
  // With the addresses of another database the key would go that this keyring's own needs.
  const auto mark = mark_of(keyring);
  (void)check_keyring_databases(config, mark);
  const auto counts = open_key_table(config, Writes::no)->count_by_epoch();
  const auto found = counts.find(generation);
  const auto needed = found == counts.end() ? 0 : found->second;
  // The database has the last word: a process with an old keyring may add a key at this moment.
  if (needed == 0 && postgres::retire_kek(owner_dsn_of(config), mark, generation).value())
    return;
  throw_failure({Errc::bad_request,
                 (needed > 0 ? keys_of(needed) + " are" : std::string("a tenant key is")) +
                     " wrapped by it: run `memseal keys rotate --resume`, and this again"});
}

}  // namespace

int cmd_keys_retire(const GlobalOptions& global, const KeysOptions& options) {
  const auto action = "operator.keys_retire/" + options.kind;
  return with_recorded(global, action, [&](const Config& config) -> int {
    const auto kind = crypto::parse_root_key(options.kind).value();
    require_keyring_file(config);
    if (kind == RootKey::kek) require_database(config);
    const auto& file = config.seal.keyring_file;
    const auto lock = FolderLock::take(file).value();
    const auto keyring = crypto::Keyring::load(file).value();
    bool is_there = false;
    for (const auto& key : keyring.list()) {
      if (key.kind != kind || key.generation != options.generation) continue;
      is_there = true;
      if (key.state != crypto::RootKeyInfo::State::reads)
        throw_failure({Errc::bad_request, name_of(kind, options.generation) + " is " +
                                              state_word(key.state) +
                                              ": run `memseal keys rotate " + options.kind +
                                              "` first"});
    }
    if (!is_there) {
      complain({Errc::not_found, "the keyring has no " + name_of(kind, options.generation)});
      return exit_not_found;
    }
    refuse_if_needed(config, keyring, kind, options.generation);
    crypto::Keyring::remove(file, kind, options.generation).value();
    if (kind == RootKey::kek)
      hint("a backup of before needs the keyring of before: keep that copy as long as the backup");
    if (kind == RootKey::token) hint("tokens that it signed are refused from now on");
    return finish_report(global,
                         {{"kind", options.kind},
                          {"generation", options.generation},
                          {"state", "retired"}},
                         {}, exit_ok);
  });
}

int cmd_keys_export_public(const GlobalOptions& global) {
  return with_config(global, [&](const Config& config) {
    const auto key = load_keyring(config).value().receipt_key().verifying_key();
    const auto text = codec::encode_base64(key.bytes(), codec::Base64::url);
    // RFC 8037: the public half of an Ed25519 key.
    if (global.json)
      print_json(json::object{
          {"kty", "OKP"}, {"crv", "Ed25519"}, {"use", "sig"}, {"kid", "receipts"}, {"x", text}});
    else
      std::printf("%s\n", text.c_str());
    return exit_ok;
  });
}

}  // namespace memseal::app
