#pragma once
#include "memseal/app/config.hpp"
#include "memseal/crypto/keyring.hpp"

namespace memseal::app {

/// The root keys the configuration names: a keyring file or single keys.
Result<crypto::Keyring> load_keyring(const Config& config);

}  // namespace memseal::app
