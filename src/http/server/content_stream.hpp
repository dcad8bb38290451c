#pragma once
// An answer that is sent in parts, so that this process need not hold it.
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
  explicit ContentStream(Exchange& exchange)
      : exchange_(exchange), chunked_(exchange.head.minor_version == 1) {}

  /// Sends status line and fields. The caller then sends `length` bytes by write(), unless
  /// is_head(). Throws ConnectionLost, as the functions below.
  asio::awaitable<void> begin(int status, std::vector<OutField> fields, std::uint64_t length);
  /// The same for a content whose length is not known: it ends by end(). Without it the client sees
  /// that the content was cut; in HTTP/1.0 it does not.
  asio::awaitable<void> begin(int status, std::vector<OutField> fields);
  /// Returns when the client's system has taken the bytes.
  asio::awaitable<void> write(std::string_view bytes);
  asio::awaitable<void> end();
  /// HEAD has the fields of GET and no body.
  bool is_head() const noexcept { return exchange_.head.method == "HEAD"; }

 private:
  asio::awaitable<void> send_head(int status, std::vector<OutField> fields);

  Exchange& exchange_;
  const bool chunked_;
  bool has_length_ = true;
};

}  // namespace memseal::http
