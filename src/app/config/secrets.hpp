#pragma once
// Which settings hold a secret, and where none may stand.
#include "app/config/config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace memseal::app {

/// Whether `value` of the setting `key` gives access by itself: a key, a token, or an address with
/// a password. An address without one tells nothing that others must not know.
bool holds_secret(std::string_view key, std::string_view value);

/// A setting of the file that `loaded` was read from and that holds a secret; empty if there is
/// none. To be asked before other sources are read.
std::optional<std::string> secret_in_file(const LoadedConfig& loaded);

/// Refuses the owner's addresses, which row-level security does not bind: whoever takes over a
/// process that knows one reads every row. Error: bad_config, which names the setting's origin.
Result<void> check_no_owner(const LoadedConfig& loaded);

}  // namespace memseal::app
