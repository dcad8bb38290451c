#pragma once
// Where model directories are looked for.
#include "base/result.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace memseal::app {

/// Finds a model. A text with a slash is a directory. Any other text is a name, looked for below
/// each of model_places(). Error bad_config names the places.
Result<std::filesystem::path> find_model(const std::string& name_or_path);

/// The directories whose subdirectories are models known by name, in the order of the search:
/// $MEMSEAL_MODELS, beside the program, /usr/share/memseal/models.
std::vector<std::filesystem::path> model_places();

}  // namespace memseal::app
