#include "http/server/server_context.hpp"

#include "pure/crypto/random.hpp"
#include "runtime/wall_clock.hpp"

#include <array>
#include <chrono>
#include <utility>

namespace memseal::http {

namespace {

// 64 random bits, so that ids of two processes, or of one before and after a restart, differ.
std::string random_start() {
  std::array<std::uint8_t, 8> bytes{};
  crypto::fill_random(bytes);
  return to_hex(bytes.data(), bytes.size());
}

}  // namespace

ServerContext::ServerContext(asio::any_io_executor runs_on, Options given_options,
                             HttpMetrics& given_metrics, Handler given_handler)
    : executor(std::move(runs_on)),
      options(std::move(given_options)),
      metrics(given_metrics),
      handler(std::move(given_handler)),
      started_unix_s(runtime::unix_ms() / 1'000),
      request_log(options.log_requests_per_s),
      id_start_(random_start()) {}

std::string ServerContext::make_request_id() { return id_start_ + '-' + std::to_string(++ids_); }

const std::string& ServerContext::date() {
  const auto now_s = runtime::unix_ms() / 1'000;
  if (now_s != date_s_) {
    date_ = http_date(now_s);
    date_s_ = now_s;
  }
  return date_;
}

}  // namespace memseal::http
