#pragma once
// What the connections of one Server share. One thread, but for `draining`.
#include "http/server/server.hpp"
#include "runtime/context.hpp"

#include "http/server/message.hpp"
#include "http/server/request_log.hpp"

#include <atomic>
#include <list>
#include <string>

namespace memseal::http {

class Session;

struct ServerContext {
  ServerContext(asio::any_io_executor runs_on, Options given_options, HttpMetrics& given_metrics,
                Handler given_handler);

  const asio::any_io_executor executor;
  const Options options;
  HttpMetrics& metrics;
  const Handler handler;
  std::atomic<bool> draining{false};
  const std::int64_t started_unix_s;      ///< when the server was made
  std::list<Session*> sessions;           ///< every live connection
  std::size_t streams = 0;                ///< streams that are open now
  RequestLog request_log;

  /// A fresh request id: unique in this process and, by its random start, among processes.
  std::string make_request_id();
  /// The Date field of an answer sent now.
  const std::string& date();

 private:
  std::string id_start_;
  std::uint64_t ids_ = 0;
  std::string date_;
  std::int64_t date_s_ = -1;
};

}  // namespace memseal::http
