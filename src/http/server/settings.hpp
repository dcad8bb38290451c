#pragma once
// What an operator may set of the listeners.
#include "base/limits.hpp"
#include "base/setting.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace memseal::http {

/// Value of admin_listen that opens no port.
inline constexpr std::string_view admin_listen_off = "off";

inline constexpr std::size_t admin_token_bytes_min = 32;

/// Section `http`.
struct Settings {
  std::string listen = "127.0.0.1:7400";
  std::string admin_listen = "127.0.0.1:7401";  ///< /metrics; admin_listen_off closes it
  std::string admin_token;  ///< that orders on admin_listen show; empty: none is taken
  std::int64_t connections_max = limits::http_connections_max;
  std::int64_t connections_per_address = 0;  ///< 0: three quarters of what the process takes
  std::int64_t requests_per_user = 64;       ///< under way at one time
  std::int64_t bytes_max = 256 << 20;        ///< of all requests and answers in memory
  std::int64_t body_bytes_max = limits::http_body_bytes_max;
  std::int64_t idle_timeout_ms =
      std::chrono::milliseconds(limits::http_idle_timeout).count();
  std::int64_t log_requests_per_s = limits::http_log_requests_per_s;
  std::string cors_origins;  ///< comma-separated; empty: pages of other origins read no answers

  static SettingRows<Settings> rows();
};

/// Of section `runtime`.
struct DrainSettings {
  std::int64_t drain_timeout_ms = std::chrono::milliseconds(limits::drain_timeout).count();

  static SettingRows<DrainSettings> rows();
};

}  // namespace memseal::http
