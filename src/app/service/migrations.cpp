#include "app/service/migrations.hpp"

#include "app/service/wiring.hpp"

namespace memseal::app {

Result<std::filesystem::path> find_migrations(const std::string& given) {
  namespace fs = std::filesystem;
  if (!given.empty()) {
    if (fs::is_directory(given)) return fs::path(given);
    return Error{Errc::bad_config, "the directory " + given + " does not exist"};
  }
  std::error_code ignored;
  const auto program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  // A build tree, an installed tree, the working directory, the package.
  const fs::path places[] = {program / "../../config/migrations",
                             program / "../share/memseal/migrations", "config/migrations",
                             "/usr/share/memseal/migrations"};
  for (const auto& place : places)
    if (fs::is_directory(place, ignored)) return fs::weakly_canonical(place, ignored);
  return Error{Errc::bad_config, "no migrations found beside the program: name them with --dir"};
}

Result<postgres::MigrateOptions> migrate_options_of(const Config& config, const std::string& dsn,
                                                 const std::string& directory) {
  auto found = find_migrations(directory);
  if (!found) return found.error();
  postgres::MigrateOptions options;
  options.dsn = dsn;
  options.directory = *found;
  const auto keyring = load_keyring(config);
  if (!keyring) return keyring.error();
  options.key_check = keyring->tenant_key_check();
  options.kek_checks = keyring->kek_checks();
  options.kek_current = keyring->kek_epoch();
  // A staged key wraps nothing yet, and another copy of the keyring may come to have another one.
  std::erase_if(options.kek_checks,
                [&](const auto& kek) { return kek.first > keyring->kek_epoch(); });
  // The columns have the length of the embedder's vectors, so the embedder must be opened.
  model::ModelPool cpu(1);
  const auto embedder = make_embedder(config, cpu);
  if (!embedder) return embedder.error();
  options.dimension = (*embedder)->dimension();
  options.model = (*embedder)->model_name();
  return options;
}

}  // namespace memseal::app
