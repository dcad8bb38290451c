#include "app/cli/dev_settings.hpp"

#include "app/service/producers.hpp"

namespace memseal::app {

void lift_rate_limit(LoadedConfig& loaded) {
  for (const auto& [key, origin] : loaded.origin)
    if (key.starts_with("ratelimit.") && origin != "default") return;
  constexpr auto most = policy::BucketRules::tokens_max;
  loaded.values.ratelimit = {.window_s = 1,
                             .query_requests = most,
                             .query_tokens = most,
                             .write_requests = most,
                             .write_tokens = most,
                             .inference_requests = most,
                             .inference_tokens = most,
                             .metrics_requests = most};
}

void open_to_producers(LoadedConfig& loaded) {
  if (loaded.origin.at("kafka.producers") != "default") return;
  auto open = loaded.values;
  open.kafka.producers = ingest::producers_open;
  if (check_open_producers(open)) loaded.values.kafka.producers = ingest::producers_open;
}

}  // namespace memseal::app
