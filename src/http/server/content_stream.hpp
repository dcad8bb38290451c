#pragma once
// An answer of known length that is sent in parts, so that this process need not hold it.
#include "http/server/session.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::http {

/// Belongs to one request. Once begin() was called, a failure can only close the connection
/// (Exchange::content_begun). Thread: that of the Session.
class ContentStream {
 public:
  explicit ContentStream(Exchange& exchange) : exchange_(exchange) {}

  /// Sends status line and fields. The caller then sends `length` bytes by write(), unless
  /// is_head(). Throws ConnectionLost.
  asio::awaitable<void> begin(int status, std::vector<OutField> fields, std::uint64_t length);
  asio::awaitable<void> write(std::string_view bytes) { co_await exchange_.session.write(bytes); }
  /// HEAD has the fields of GET and no body.
  bool is_head() const noexcept { return exchange_.head.method == "HEAD"; }

 private:
  Exchange& exchange_;
};

}  // namespace memseal::http
