#pragma once
// Server-Sent Events (WHATWG HTML, "server-sent events").
#include <cstdint>
#include <string>
#include <string_view>

namespace memseal::wire {

/// One frame `id: <stream>:<sequence>\nevent: <type>\ndata: <json>\n\n`. `json` is one line; a line
/// break inside it is split over several data lines, as the format demands.
std::string sse_frame(std::string_view stream, std::uint64_t sequence, std::string_view type,
                      std::string_view json);
/// First bytes of a stream: the client's reconnection time.
std::string sse_retry(int milliseconds);
/// A comment that keeps proxies from closing an idle stream.
inline constexpr std::string_view sse_keepalive = ": ka\n\n";

/// Incremental reader of an event stream, for our CLI and tests. Follows the WHATWG rules for line
/// ends, comments, multiple data lines and ids.
struct SseEvent {
  std::string id, type, data;
};
class SseParser {
 public:
  /// Feeds bytes; calls `sink(const SseEvent&)` for each complete event.
  template <class Sink>
  void feed(std::string_view bytes, Sink&& sink) {
    buffer_.append(bytes);
    SseEvent event;
    while (next(event)) sink(event);
  }

 private:
  bool next(SseEvent& event);
  std::string buffer_, id_, type_, data_;
  bool has_data_ = false;
};

}  // namespace memseal::wire
