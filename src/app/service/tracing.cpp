#include "app/service/tracing.hpp"

#include "pure/crypto/random.hpp"
#include "pure/policy/token_bucket.hpp"
#include "runtime/log.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <mutex>
#include <string_view>

namespace memseal::app {

namespace {

void warn(const std::string& cause) {
  runtime::log(runtime::LogLevel::warn, "service.tracing_setting", {{"cause", cause}});
}

/// What the operator set stays.
void add(trace::Resource& resource, std::string_view name, std::string value) {
  const auto has = [&](const auto& one) { return one.first == name; };
  if (std::ranges::none_of(resource, has)) resource.emplace_back(name, std::move(value));
}

/// Bounds the traces that clients have recorded beyond the ratio.
std::function<bool()> hundred_a_second() {
  struct Asked {
    std::mutex guard;
    policy::TokenBucket bucket;
  };
  return [asked = std::make_shared<Asked>()] {
    using std::chrono::microseconds;
    constexpr policy::BucketRules rules{.tokens = 100, .window_s = 1};
    const auto now = runtime::Clock::now().time_since_epoch();
    const std::lock_guard lock(asked->guard);
    return asked->bucket.take(rules, std::chrono::duration_cast<microseconds>(now).count()).allowed;
  };
}

runtime::Tracer::Options tracer_options(const trace::Options& options) {
  return {.sampler = options.sampler,
          .queue_max = options.queue_max,
          .batch_max = options.batch_max,
          .propagates = options.propagates,
          .may_ask = hundred_a_second()};
}

}  // namespace

Tracing::Tracing(trace::Options options, runtime::Metrics& metrics)
    : tracer(tracer_options(options), metrics) {
  auto made = otlp::Exporter::make({.trace = std::move(options), .version = MEMSEAL_VERSION},
                                   tracer);
  if (made)
    exporter = std::move(*made);
  else
    warn(made.error().message + "; no traces are exported");
}

std::unique_ptr<Tracing> make_tracing(
    std::span<const std::pair<std::string, std::string>> environment, const std::string& release,
    runtime::Metrics& metrics) {
  auto [options, warnings] = trace::read_options(environment);
  for (const auto& warning : warnings) warn(warning);
  if (!options.enabled) return nullptr;
  add(options.resource, "service.version", release.empty() ? MEMSEAL_VERSION : release);
  add(options.resource, "service.instance.id", crypto::random_uuid().to_string());
  add(options.resource, "telemetry.sdk.name", "memseal");
  add(options.resource, "telemetry.sdk.language", "cpp");
  add(options.resource, "telemetry.sdk.version", MEMSEAL_VERSION);
  const auto endpoint = options.endpoint + options.path;
  auto tracing = std::make_unique<Tracing>(std::move(options), metrics);
  if (!tracing->exporter) return nullptr;
  runtime::log(runtime::LogLevel::info, "service.tracing", {{"endpoint", endpoint}});
  return tracing;
}

}  // namespace memseal::app
