#pragma once
#include "app/config/config.hpp"

namespace memseal::app {

/// Sets limits that nobody reaches. A limit per hour makes no sense where one person tries things.
/// A limit that was asked for, by any of its settings, holds.
void lift_rate_limit(LoadedConfig& loaded);

}  // namespace memseal::app
