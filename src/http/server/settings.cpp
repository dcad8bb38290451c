#include "http/server/settings.hpp"

#include "http/server/cors.hpp"

namespace memseal::http {

namespace {

Result<void> check_origins(const std::string& value) {
  if (auto origins = parse_origins(value); !origins) return origins.error();
  return {};
}

}  // namespace

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {text("http.listen", "address:port of the public API", &Settings::listen),
          text("http.admin_listen", "address:port of /metrics for operators; off closes it",
               &Settings::admin_listen),
          number("http.connections_max", "connections accepted at once", 1, 100'000,
                 &Settings::connections_max),
          number("http.body_bytes_max", "largest request body in bytes", 1'024, 64 << 20,
                 &Settings::body_bytes_max),
          number("http.idle_timeout_ms", "time that an idle connection stays open", 1'000,
                 3'600'000, &Settings::idle_timeout_ms),
          text("http.cors_origins",
               "origins of web pages that may read answers, comma-separated: https://app.example",
               &Settings::cors_origins, check_origins)};
}

SettingRows<DrainSettings> DrainSettings::rows() {
  using namespace setting;
  return {number("runtime.drain_timeout_ms", "time that streams get to finish after SIGTERM", 0,
                 600'000, &DrainSettings::drain_timeout_ms)};
}

}  // namespace memseal::http
