#pragma once
#include "app/config/config.hpp"

namespace memseal::app {

/// Sets limits that nobody reaches. A limit per hour makes no sense where one person tries things.
/// A limit that was asked for, by any of its settings, holds.
void lift_rate_limit(LoadedConfig& loaded);


/// Lets everybody write who reaches the broker, unless kafka.producers is set or the service can be
/// reached from elsewhere. Call it when the broker is known.
void open_to_producers(LoadedConfig& loaded);

}  // namespace memseal::app
