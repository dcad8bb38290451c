#include "app/config/model_paths.hpp"

#include "app/config/config.hpp"

namespace memseal::app {

std::vector<std::filesystem::path> model_places() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<fs::path> places;
  for (const auto& [name, value] : process_environment())
    if (name == "MEMSEAL_MODELS") places.emplace_back(value);
  if (const auto program = fs::read_symlink("/proc/self/exe", ignored); !ignored) {
    // A build tree: <checkout>/build/<preset>/memseal beside <checkout>/.deps/models.
    places.push_back(program.parent_path() / "../../.deps/models");
    places.push_back(program.parent_path() / "../share/memseal/models");
  }
  places.emplace_back(".deps/models");
  places.emplace_back("/usr/share/memseal/models");
  return places;
}

Result<std::filesystem::path> find_model(const std::string& name_or_path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  // A slash makes it a path. A bare name is looked up in the places below only, so that a folder of
  // the working directory with the same name does not take the model's place.
  if (name_or_path.find('/') != std::string::npos) {
    if (fs::is_directory(name_or_path, ignored)) return fs::path(name_or_path);
    return Error{Errc::bad_config, "the model directory " + name_or_path + " does not exist"};
  }
  std::string looked;
  for (const auto& place : model_places()) {
    const auto candidate = place / name_or_path;
    if (fs::is_directory(candidate, ignored)) return fs::weakly_canonical(candidate, ignored);
    looked += (looked.empty() ? "" : ", ") + place.lexically_normal().string();
  }
  return Error{Errc::bad_config, "no model \"" + name_or_path + "\" in " + looked +
                                     "; put it there, or give the path of its directory"};
}

}  // namespace memseal::app
