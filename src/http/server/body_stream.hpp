#pragma once
// The body of a request on its way in, for a route that does not hold it whole.
#include "http/server/session.hpp"

#include <cstdint>
#include <string>

namespace memseal::http {

/// Reads one body in parts, in constant memory. Belongs to one request and dies before its Session.
/// Thread: that of the Session.
///
/// Expect: 100-continue is answered at the first next(), so a handler that refuses the request
/// before it asks for the body spares the client the upload. What a handler leaves unread is
/// dropped when it came with the head; otherwise the connection closes after the answer.
class BodyStream {
 public:
  /// `bytes_max` bounds the whole body.
  BodyStream(Session& session, std::size_t bytes_max) : session_(session), bytes_max_(bytes_max) {}
  BodyStream(BodyStream&&) = delete;

  /// The next bytes, at most some 80 KiB; empty at the end of the body. Throws BodyRefused (413 as
  /// soon as Content-Length or the sum passes the limit, 408 after Options::body_timeout without a
  /// byte, 400 for bad framing) and ConnectionLost; after either nothing more can be read.
  asio::awaitable<std::string> next() {
    auto part = co_await session_.read_body_part(bytes_max_);
    bytes_ += part.size();
    co_return part;
  }

  /// How many bytes next() has returned.
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  Session& session_;
  const std::size_t bytes_max_;
  std::uint64_t bytes_ = 0;
};

}  // namespace memseal::http
