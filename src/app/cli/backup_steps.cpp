#include "app/cli/backup_steps.hpp"

#include "app/cli/child_process.hpp"
#include "base/ids.hpp"

#include <cstdio>
#include <fstream>
#include <regex>

namespace memseal::app {

namespace fs = std::filesystem;

int backup_exit_code(const Error& error) {
  switch (error.code) {
    case Errc::bad_config:
    case Errc::not_migrated: return exit_usage;
    case Errc::not_found: return exit_not_found;
    case Errc::open_failed:
    case Errc::key_invalid:
    case Errc::key_missing:
    case Errc::not_isolated: return exit_finding;
    case Errc::unavailable:
    case Errc::timeout: return exit_not_ready;
    default: return exit_failed;
  }
}

namespace {

/// Leaves out of pg_restore's list what RestoreTarget::open() has made: schema memseal and its
/// table. Who owns them is who migrates, and that role may have another name here.
Result<void> write_list(const fs::path& all, const fs::path& wanted) {
  static const std::regex made(
      R"(^\d+; \d+ \d+ (SCHEMA - memseal|TABLE memseal|CONSTRAINT memseal) )");
  std::ifstream in(all);
  std::ofstream out(wanted);
  for (std::string line; std::getline(in, line);)
    if (!std::regex_search(line, made)) out << line << '\n';
  out.close();
  if (!in.eof() || !out) return Error{Errc::internal, "cannot write " + wanted.string()};
  return {};
}

}  // namespace

Result<void> read_dump(const fs::path& dump, const std::string& dsn, int major,
                       const fs::path& work) {
  const auto program = find_postgres_program("pg_restore", major);
  if (!program) return program.error();
  auto environment = postgres::libpq_environment(dsn);
  if (!environment) return environment.error();
  const auto all = work / "list.all", wanted = work / "list", complaints = work / "pg_restore.log";
  const auto listed = run_child({.words = {program->string(), "--list", dump.string()},
                                 .output = all,
                                 .complaints = complaints});
  if (!listed) return listed;
  if (auto written = write_list(all, wanted); !written) return written;
  std::string database = "postgres";
  for (const auto& [name, value] : *environment)
    if (name == "PGDATABASE") database = value;
  // One transaction: a restore that fails or is killed leaves an empty database. The name of the
  // database alone says where to, because the rest of the address is in the environment.
  return run_child({.words = {program->string(), "--dbname=" + database, "--use-list",
                              wanted.string(), "--single-transaction", "--exit-on-error",
                              "--no-password", dump.string()},
                    .environment = std::move(*environment),
                    .complaints = complaints});
}

Result<void> compare_rows(const std::map<std::string, std::int64_t>& wanted,
                          const std::map<std::string, std::int64_t>& seen) {
  for (const auto& [table, count] : wanted) {
    const auto found = seen.find(table);
    const auto here = found == seen.end() ? 0 : found->second;
    if (here != count)
      return Error{Errc::open_failed, table + " has " + std::to_string(here) + " rows of " +
                                          std::to_string(count)};
  }
  return {};
}

Result<void> check_keyring(const Manifest& manifest, const crypto::Keyring& keyring) {
  const auto& wanted = manifest.database.tenant_key_check;
  const auto ours = keyring.tenant_key_check();
  if (!wanted.empty() && wanted != to_hex(ours.data(), ours.size()))
    return Error{Errc::key_invalid,
                 "this keyring is not the one that the backup was written with: no row of it opens "
                 "with it"};
  const auto keks = keyring.kek_checks();
  for (const auto epoch : manifest.database.kek_epochs)
    if (!keks.contains(epoch))
      return Error{Errc::key_missing,
                   "this keyring has no key-encryption key " + std::to_string(epoch) +
                       ", which wraps keys in the backup: give it the keyring of that day"};
  return {};
}

}  // namespace memseal::app
