#pragma once
// Server-Sent Events (WHATWG HTML, "server-sent events").
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace memseal::wire {

/// Whether more frames of a stream follow.
enum class SsePlace { inside, last };

/// One frame `id: <stream>:<sequence>\nevent: <type>\ndata: <json>\n\n`. The id of the last frame
/// is `<stream>:<sequence>:end`. `json` is one line; a line break inside it is split over several
/// data lines, as the format demands. `stream` and `type` are ours and hold no line break
/// (asserted).
std::string sse_frame(std::string_view stream, std::uint64_t sequence, std::string_view type,
                      std::string_view json, SsePlace place = SsePlace::inside);
/// Whether `id` is that of a stream's last frame: what a client sends as Last-Event-ID that has
/// read the stream to its end. The id itself tells it, so every process knows, and for ever.
/// NOTE: a client can make such an id up. It stops nobody but itself.
bool is_last_sse_id(std::string_view id);
/// The line with the client's reconnection time.
/// NOTE: belongs in front of the first frame, without an empty line between them, because some
/// clients make an event of a block that has no data.
std::string sse_retry(int milliseconds);
/// A comment that keeps proxies from closing an idle stream. No empty line follows it, for the same
/// reason.
inline constexpr std::string_view sse_keepalive = ": ka\n";

/// Incremental reader of an event stream, for our CLI and tests. Follows the WHATWG rules for line
/// ends (CR, LF, CRLF), the byte order mark, comments, multiple data lines and ids. Drops an event
/// that has no data or that the stream's end cuts off. `id` is the last id so far; `type` defaults
/// to "message". NOTE: does not check the UTF-8 of the text.
struct SseEvent {
  std::string id, type, data;
};
class SseParser {
 public:
  /// An event with a line or data of more bytes is dropped and counted.
  static constexpr std::size_t event_bytes_max = 1u << 20;

  /// Feeds bytes; calls `sink(const SseEvent&)` for each complete event.
  template <class Sink>
  void feed(std::string_view bytes, Sink&& sink) {
    take(bytes);
    SseEvent event;
    while (next(event)) sink(std::as_const(event));
  }

  std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  void take(std::string_view bytes);
  bool next(SseEvent& event);
  bool next_line(std::string_view& line);
  bool skip_mark();
  void field(std::string_view line);
  void begin_event();
  void drop_event();

  std::string buffer_;
  std::size_t read_ = 0;     // of buffer_: what lies before was read
  std::size_t scanned_ = 0;  // of buffer_: no line end between read_ and here
  std::string id_, type_, data_;
  bool has_data_ = false, dropping_ = false;
  bool skip_lf_ = false, mark_done_ = false;
  std::uint64_t dropped_ = 0;
};

}  // namespace memseal::wire
