#include "adapters/postgres/row_rewrite.hpp"
#include "app/cli/console.hpp"
#include "app/cli/operator_audit.hpp"
#include "app/cli/progress_line.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/text_file.hpp"
#include "app/service/migrations.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cinttypes>
#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

json::object to_json(const postgres::MigrationLine& line) {
  return {{"version", line.version},
          {"name", line.name},
          {"applied", line.applied},
          {"changed", line.changed},
          {"applied_at", line.applied_at}};
}

int print_lines(const GlobalOptions& global, const std::vector<postgres::MigrationLine>& lines,
                const char* nothing) {
  json::array all;
  for (const auto& line : lines) {
    if (global.json)
      all.push_back(to_json(line));
    else
      std::printf("%04d %-24s %s%s\n", line.version, line.name.c_str(),
                  line.applied ? ("applied " + line.applied_at).c_str() : "not applied",
                  line.changed ? "  (the file has changed since)" : "");
  }
  if (global.json)
    print_json(all);
  else if (lines.empty())
    std::printf("%s\n", nothing);
  return exit_ok;
}

json::object planned(const postgres::MigrationLine& line) {
  json::array statements;
  for (const auto& one : line.statements)
    statements.push_back(json::object{{"sql", one.sql},
                                      {"lock", one.lock},
                                      {"tables", one.tables},
                                      {"stops_others", one.stops_others},
                                      {"seconds", one.seconds}});
  return {{"online", line.online}, {"statements", std::move(statements)}};
}

json::object report_object(const postgres::MigrateReport& report, const std::string& action) {
  json::array done, lost;
  for (const auto& line : report.done) {
    auto object = to_json(line);
    object["seconds"] = line.seconds;
    if (action == "plan")
      for (auto& [name, value] : planned(line)) object[name] = value;
    done.push_back(std::move(object));
  }
  for (const auto& one : report.lost)
    lost.push_back(json::object{{"table", one.table},
                                {"column", one.column},
                                {"count", one.count},
                                {"estimated", one.estimated}});
  return {{"done", std::move(done)},
          {"version", report.version},
          {"lost", std::move(lost)},
          {"notes", json::array(report.notes.begin(), report.notes.end())}};
}

void print_plan(const postgres::MigrationLine& line) {
  std::printf("would apply %04d %s: %s, about %.0f s\n", line.version, line.name.c_str(),
              line.online ? "online" : "stops the service", line.seconds);
  for (const auto& one : line.statements) {
    const auto locks = one.lock.empty() ? "" : "  locks " + one.tables + " (" + one.lock + ")";
    std::printf("  %s;%s\n", one_line(one.sql, 200).c_str(), locks.c_str());
  }
}

int print_report(const GlobalOptions& global, const postgres::MigrateReport& report,
                 const std::string& action) {
  if (global.json) {
    print_json(report_object(report, action));
    return exit_ok;
  }
  for (const auto& line : report.done) {
    if (action == "plan")
      print_plan(line);
    else
      std::printf("%s %04d %s in %.2f s\n", action == "up" ? "applied" : "reverted", line.version,
                  line.name.c_str(), line.seconds);
  }
  if (!report.lost.empty()) std::printf("deleted %s\n", describe(report.lost).c_str());
  for (const auto& note : report.notes) std::printf("note: %s\n", note.c_str());
  std::printf("the schema is at version %d\n", report.version);
  return exit_ok;
}

Result<postgres::MigrateOptions> options_of(const Config& config, const MigrateOptions& options) {
  if (config.postgres.migrate_dsn.empty())
    return Error{Errc::bad_config,
                 "postgres.migrate_dsn is not set: the owner's address (env " +
                     env_name("postgres.migrate_dsn") + ")",
                 "postgres.migrate_dsn"};
  Result<postgres::MigrateOptions> migration = Error{};
  if (options.action == "up" || options.action == "plan") {
    migration = migrate_options_of(config, config.postgres.migrate_dsn, options.directory);
    if (!migration) return migration;
  } else {
    const auto directory = find_migrations(options.directory);
    if (!directory) return directory.error();
    migration =
        postgres::MigrateOptions{.dsn = config.postgres.migrate_dsn, .directory = *directory};
  }
  migration->to = options.to;
  migration->lose_data = options.force;
  if (!options.app_password.empty()) {
    auto text = read_secret_text(options.app_password, secret_file_bytes_max);
    if (!text) return text.error();
    migration->app_user_password = text->substr(0, text->find('\n'));
    if (migration->app_user_password.empty())
      return Error{Errc::bad_config, "cannot read a password from " + options.app_password +
                                         ": its first line is empty"};
  }
  return migration;
}

void rest_for(std::chrono::duration<double> time) {
  boost::asio::io_context loop(1);
  boost::asio::steady_timer timer(
      loop, std::chrono::duration_cast<std::chrono::steady_clock::duration>(time));
  timer.wait();
}

int rewrite(const GlobalOptions& global, const Config& config) {
  const auto reader = operator_dsn(config);
  if (!reader || config.postgres.dsn.empty()) {
    complain(!reader ? reader.error()
                     : Error{Errc::bad_config,
                             "postgres.dsn is not set (env " + env_name("postgres.dsn") + ")",
                             "postgres.dsn"});
    return exit_usage;
  }
  ProgressLine line(shows_progress(global));
  const auto done = postgres::rewrite_rows(
      {.reader_dsn = *reader, .writer_dsn = config.postgres.dsn, .pause = rest_for},
      [&](const postgres::RewriteReport& report) {
        line.show("rewriting: " + std::to_string(report.rows) + " rows of " +
                  count_of(static_cast<std::size_t>(report.tenants + 1), "user"));
        return true;
      });
  line.clear();
  if (!done) {
    complain(done.error());
    return done.error().code == Errc::unavailable ? exit_not_ready : exit_failed;
  }
  if (global.json)
    print_json(json::object{
        {"users", done->tenants},
        {"rows", done->rows},
        {"skipped", done->skipped},
        {"unfinished", json::array(done->unfinished.begin(), done->unfinished.end())}});
  else
    std::printf("rewrote %" PRId64 " rows of %s\n", done->rows,
                count_of(static_cast<std::size_t>(done->tenants), "user").c_str());
  if (done->skipped > 0)
    hint(std::to_string(done->skipped) +
         " rows were being changed by others: run `memseal migrate rewrite` again");
  for (const auto& user_hash : done->unfinished)
    hint("the database refused five tries for user " + user_hash + ", whose rows may be left");
  return done->unfinished.empty() ? exit_ok : exit_failed;
}

}  // namespace

int cmd_migrate(const GlobalOptions& global, const MigrateOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  if (options.action == "rewrite") return rewrite(global, *config);
  const auto migration = options_of(*config, options);
  if (!migration) {
    complain(migration.error());
    return exit_usage;
  }
  if (options.action == "status") {
    const auto lines = postgres::migrate_status(*migration);
    if (lines) return print_lines(global, *lines, "no migrations");
    complain(lines.error());
    return exit_failed;
  }
  const auto report = options.action == "up"     ? postgres::migrate_up(*migration)
                      : options.action == "down" ? postgres::migrate_down(*migration)
                                                 : postgres::migrate_plan(*migration);
  if (report) return print_report(global, *report, options.action);
  complain(report.error());
  return report.error().code == Errc::bad_request ? exit_usage : exit_failed;
}

}  // namespace memseal::app
