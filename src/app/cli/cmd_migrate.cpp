#include "app/cli/console.hpp"
#include "app/config/text_file.hpp"
#include "app/service/migrations.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

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

int print_report(const GlobalOptions& global, const postgres::MigrateReport& report,
                 const std::string& action) {
  if (global.json) {
    json::array done;
    for (const auto& line : report.done) done.push_back(to_json(line));
    print_json(json::object{{"done", std::move(done)},
                            {"version", report.version},
                            {"notes", json::array(report.notes.begin(), report.notes.end())}});
    return exit_ok;
  }
  const char* verb = action == "up" ? "applied" : action == "down" ? "reverted" : "would apply";
  for (const auto& line : report.done)
    std::printf("%s %04d %s\n", verb, line.version, line.name.c_str());
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
  if (!options.app_password.empty()) {
    auto text = read_text_file(options.app_password, secret_file_bytes_max);
    if (!text) return text.error();
    migration->app_user_password = text->substr(0, text->find('\n'));
    if (migration->app_user_password.empty())
      return Error{Errc::bad_config, "cannot read a password from " + options.app_password +
                                         ": its first line is empty"};
  }
  return migration;
}

}  // namespace

int cmd_migrate(const GlobalOptions& global, const MigrateOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
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
  if (options.action == "down" && !options.force) {
    complain({Errc::bad_request,
              "`migrate down` deletes what the migrations made, data included; add --force"});
    return exit_usage;
  }
  const auto report = options.action == "up"     ? postgres::migrate_up(*migration)
                      : options.action == "down" ? postgres::migrate_down(*migration)
                                                 : postgres::migrate_plan(*migration);
  if (report) return print_report(global, *report, options.action);
  complain(report.error());
  return exit_failed;
}

}  // namespace memseal::app
