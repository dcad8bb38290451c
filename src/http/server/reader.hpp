#pragma once
// Bytes in, requests out: Beast's parser behind the framing check. Does no I/O.
#include "http/server/framing_check.hpp"
#include "http/server/message.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace memseal::http {

enum class Progress {
  more,     ///< all that was given is taken in or kept; give more
  done,
  refused,  ///< see refusal(); the rest of the connection must not be read as requests
};

/// Reads one request at a time from a buffer that its caller fills at the end. What follows the
/// request stays in the buffer, so pipelined requests come out one after the other.
class RequestReader {
 public:
  RequestReader();
  ~RequestReader();

  /// Starts the next request. Call before every read_head() of a new request.
  void next();
  /// Takes a head from the front of `buffer`. done: head() is valid.
  Progress read_head(std::string& buffer);
  /// Takes body bytes from the front of `buffer`; after read_head() said done. A body of more than
  /// `bytes_max` in all is refused with 413: at once where Content-Length says so, else with the
  /// first byte too many. REQUIRES: the same `bytes_max` for all of one body.
  Progress read_body(std::string& buffer, std::size_t bytes_max);
  /// True when nothing of the current request is left to read.
  bool finished() const noexcept { return finished_; }

  const RequestHead& head() const noexcept { return head_; }
  /// The body bytes that read_body() took since the last take_body().
  std::string take_body();
  const Refusal& refusal() const noexcept { return refusal_; }

 private:
  struct Parser;
  Progress refuse(Refusal refusal);

  std::unique_ptr<Parser> parser_;
  RequestHead head_;
  Refusal refusal_;
  std::size_t seen_ = 0;                  // bytes of an incomplete head that were looked at
  bool finished_ = true, body_begun_ = false, body_refused_ = false, line_skipped_ = false;
};

}  // namespace memseal::http
