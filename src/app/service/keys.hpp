#pragma once
#include "app/config/config.hpp"
#include "pure/crypto/keyring.hpp"

namespace memseal::app {

/// The root keys that the configuration names: a keyring file, or single keys.
Result<crypto::Keyring> load_keyring(const Config& config);

}  // namespace memseal::app
