#pragma once
// What `memseal serve` would refuse, found without a network, a database or a port.
#include "app/config/config.hpp"

#include <string>

namespace memseal::app {

/// Reads the files that the settings name (keys, JWK Set, certificates, models) and hands the Kafka
/// properties to the client library. Adds a problem for each that `serve` refuses, and a warning
/// for each setting that `serve` needs and `dev` brings.
/// REQUIRES: `loaded` has no problems. NOTE: model files are read whole.
void check_for_serve(LoadedConfig& loaded);

/// A sentence if texts are sent to the embedding endpoint in clear text, over a network. Empty
/// otherwise.
std::string clear_text_warning(const Config& config);

}  // namespace memseal::app
