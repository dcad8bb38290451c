#include "http/server/settings.hpp"

#include "http/server/cors.hpp"

#include <algorithm>

namespace memseal::http {

namespace {

Result<void> check_origins(const std::string& value) {
  if (auto origins = parse_origins(value); !origins) return origins.error();
  return {};
}

Result<void> check_admin_token(const std::string& value) {
  // A header line carries it, and a short one can be guessed.
  const bool fits =
      value.size() >= admin_token_bytes_min &&
      std::ranges::all_of(value, [](char c) { return c > ' ' && c < 0x7f; });
  if (fits) return {};
  return Error{Errc::bad_config,
               "must be one word of at least " + std::to_string(admin_token_bytes_min) +
                   " visible characters, for example from `openssl rand -hex 32`"};
}

}  // namespace

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {setting::text("http.listen", "address:port of the public API", &Settings::listen),
          setting::text("http.admin_listen",
                        "address:port of /metrics for operators; off closes it",
                        &Settings::admin_listen),
          secret("http.admin_token",
                 "bearer token of orders on the admin port (/flags, /guard); empty: takes none",
                 &Settings::admin_token, check_admin_token),
          number("http.connections_max", "connections accepted at once", 1, 100'000,
                 &Settings::connections_max),
          number("http.connections_per_address",
                 "connections of one address (of a /64 network of IPv6) to the process; 0: three "
                 "quarters of all",
                 0, 10'000'000, &Settings::connections_per_address),
          number("http.requests_per_user", "requests of one user under way at one time", 1,
                 1'000'000, &Settings::requests_per_user),
          number("http.bytes_max",
                 "bytes of all bodies, and of answers until they are sent, in the process; one "
                 "user has a quarter",
                 16 << 20, std::int64_t{1} << 40, &Settings::bytes_max),
          number("http.body_bytes_max", "largest request body in bytes", 1'024, 64 << 20,
                 &Settings::body_bytes_max),
          number("http.idle_timeout_ms", "time that an idle connection stays open", 1'000,
                 3'600'000, &Settings::idle_timeout_ms),
          number("http.log_requests_per_s",
                 "requests a second that each thread logs, of each class of status; 0: none", 0,
                 1'000'000, &Settings::log_requests_per_s),
          setting::text("http.cors_origins",
               "origins of web pages that may read answers, comma-separated: https://app.example",
               &Settings::cors_origins, check_origins)};
}

SettingRows<DrainSettings> DrainSettings::rows() {
  using namespace setting;
  return {number("runtime.drain_timeout_ms", "time that streams get to finish after SIGTERM", 0,
                 600'000, &DrainSettings::drain_timeout_ms)};
}

}  // namespace memseal::http
