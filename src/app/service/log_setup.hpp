#pragma once
#include "app/config/config.hpp"

namespace memseal::app {

/// Applies log.level and log.format to the whole process. With log.format `auto`, a terminal gets
/// text and everything else gets JSON.
void set_up_log(const Config& config);

}  // namespace memseal::app
