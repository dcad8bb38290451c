#include "http/server/settings.hpp"

namespace memseal::http {

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {text("http.listen", "address:port of the public API", &Settings::listen),
          text("http.admin_listen", "address:port of /metrics for operators; off closes it",
               &Settings::admin_listen),
          number("http.connections_max", "connections accepted at once", 1, 100'000,
                 &Settings::connections_max),
          number("http.body_bytes_max", "largest request body in bytes", 1'024, 64 << 20,
                 &Settings::body_bytes_max)};
}

SettingRows<DrainSettings> DrainSettings::rows() {
  using namespace setting;
  return {number("runtime.drain_timeout_ms", "time that streams get to finish after SIGTERM", 0,
                 600'000, &DrainSettings::drain_timeout_ms)};
}

}  // namespace memseal::http
