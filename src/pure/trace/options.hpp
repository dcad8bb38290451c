#pragma once
// How traces are exported, by the environment variables that OpenTelemetry defines for every
// program. Source: OpenTelemetry specification, "Environment variable specification" and "OTLP
// exporter configuration".
#include "pure/trace/otlp.hpp"
#include "pure/trace/sampler.hpp"

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace memseal::trace {

struct Options {
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  bool enabled = false;       ///< an endpoint is set, or OTEL_TRACES_EXPORTER=otlp
  std::string endpoint = {};  ///< http(s)://host[:port][/path]; spans go to `endpoint` + `path`
  std::string path = {};
  Pairs headers = {};         ///< of each export; may hold a secret
  std::string ca_file = {};   ///< PEM, trusted beside the system's store
  std::chrono::milliseconds attempt_timeout{10'000};
  Sampler sampler = {};
  bool propagates = true;     ///< reads and writes traceparent
  std::size_t queue_max = 2'048, batch_max = 512;  ///< spans
  std::chrono::milliseconds delay{5'000};          ///< between two exports
  std::chrono::milliseconds export_timeout{30'000};  ///< of one batch, its retries included
  Resource resource = {};     ///< service.name first
};

/// What the variables say.
struct OptionsRead {
  Options options;
  /// A sentence a variable that is not followed. None quotes a value that may be a secret.
  std::vector<std::string> warnings;
};

/// `environment`: all of NAME=VALUE. An empty value means "not set". What cannot be followed is
/// ignored, as the specification asks; where nothing could be exported then, `enabled` is false.
OptionsRead read_options(std::span<const std::pair<std::string, std::string>> environment);

}  // namespace memseal::trace
