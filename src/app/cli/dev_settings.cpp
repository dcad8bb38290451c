#include "app/cli/dev_settings.hpp"

namespace memseal::app {

void lift_rate_limit(LoadedConfig& loaded) {
  for (const auto* key : {"ratelimit.requests", "ratelimit.window_s"})
    if (loaded.origin.at(key) != "default") return;
  loaded.values.ratelimit = {.requests = policy::BucketRules::tokens_max, .window_s = 1};
}

}  // namespace memseal::app
