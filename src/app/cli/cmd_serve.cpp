#include "app/cli/console.hpp"
#include "app/config/secrets.hpp"
#include "app/service/log_setup.hpp"
#include "app/service/service.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace memseal::app {

namespace {

// Renames the finished file into place, because another program may read it at any moment.
void write_ports(const std::string& path, int port, int admin_port) {
  const auto draft = path + ".new";
  std::ofstream file(draft);
  file << port << ' ' << admin_port << '\n';
  file.close();
  std::error_code failure;
  if (file) std::filesystem::rename(draft, path, failure);
  if (!file || failure) complain({Errc::bad_config, "cannot write " + path});
}

}  // namespace

int cmd_serve(const GlobalOptions& global, const ServeOptions& options) {
  auto loaded = read_sound_config(global);
  if (!loaded) return exit_usage;
  if (const auto bound = check_no_owner(*loaded); !bound) {
    complain(bound.error());
    return exit_usage;
  }
  auto* const config = &loaded->values;
  if (options.no_ingest) config->kafka.enabled = false;
  set_up_log(*config);
  auto service = Service::make(*config);
  if (!service) {
    complain(service.error());
    return exit_usage;
  }
  return (*service)->run([&] {
    if (!options.ports_file.empty())
      write_ports(options.ports_file, (*service)->port(), (*service)->admin_port());
    if (global.json) {
      print_json(boost::json::object{{"port", (*service)->port()},
                                     {"admin_port", (*service)->admin_port()},
                                     {"ingest", config->kafka.enabled}});
      std::fflush(stdout);
    }
    if (!global.quiet)
      std::fprintf(stderr, "memseal %s serves on port %d%s\n", MEMSEAL_VERSION, (*service)->port(),
                   config->kafka.enabled ? "" : " (queries only)");
  });
}

}  // namespace memseal::app
