#include "pure/wire/sse.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace memseal::wire {

namespace {

constexpr std::string_view end_mark = ":end";

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

std::string sse_frame(std::string_view stream, std::uint64_t sequence, std::string_view type,
                      std::string_view json, SsePlace place) {
  MEMSEAL_ASSERT(is_one_line(stream) && is_one_line(type));
  std::string frame;
  frame.reserve(json.size() + stream.size() + type.size() + 48);
  frame.append("id: ").append(stream).append(1, ':').append(std::to_string(sequence));
  if (place == SsePlace::last) frame.append(end_mark);
  frame.append("\nevent: ").append(type).append(1, '\n');
  for (;;) {
    // A line end within the data would end the field, or the event. Each line has a `data:` of its
    // own; a client joins them.
    const auto end = json.find_first_of("\r\n");
    frame.append("data: ").append(json.substr(0, end)).append(1, '\n');
    if (end == std::string_view::npos) break;
    json.remove_prefix(end + (json.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  frame += '\n';
  return frame;
}

bool is_last_sse_id(std::string_view id) {
  if (!id.ends_with(end_mark)) return false;
  id.remove_suffix(end_mark.size());
  const auto colon = id.rfind(':');
  if (colon == 0 || colon == id.npos) return false;
  const auto sequence = id.substr(colon + 1);
  return !sequence.empty() && sequence.find_first_not_of("0123456789") == sequence.npos;
}

std::string sse_retry(int milliseconds) { return "retry: " + std::to_string(milliseconds) + '\n'; }

void SseParser::take(std::string_view bytes) {
  // Erases the lines already read in one move, because a move per line is quadratic.
  buffer_.erase(0, read_);
  scanned_ -= std::min(scanned_, read_);
  read_ = 0;
  buffer_.append(bytes);
}

bool SseParser::next_line(std::string_view& line) {
  if (skip_lf_ && read_ < buffer_.size()) {
    if (buffer_[read_] == '\n') ++read_;
    skip_lf_ = false;
  }
  const auto end = buffer_.find_first_of("\r\n", std::max(read_, scanned_));
  scanned_ = std::min(end, buffer_.size());
  if (end == std::string::npos) return false;
  line = std::string_view(buffer_).substr(read_, end - read_);
  // A CR ends its line at once; if it was half of a CRLF, the LF is skipped when it comes.
  skip_lf_ = buffer_[end] == '\r';
  read_ = end + 1;
  return true;
}

bool SseParser::skip_mark() {
  static constexpr std::string_view mark = "\xef\xbb\xbf";
  if (mark_done_) return true;
  const auto head = std::string_view(buffer_).substr(0, mark.size());
  if (head.size() < mark.size() && mark.starts_with(head)) return false;
  if (head == mark) read_ = mark.size();
  return mark_done_ = true;
}

bool SseParser::next(SseEvent& event) {
  if (!skip_mark()) return false;
  std::string_view line;
  while (next_line(line)) {
    if (!line.empty()) {
      if (line.size() > event_bytes_max) drop_event();
      if (!dropping_) field(line);
      continue;
    }
    // An event without data is not delivered (HTML, 9.2.6), but its id counts.
    const bool complete = has_data_ && !dropping_;
    if (complete) event = {id_, type_.empty() ? "message" : type_, std::move(data_)};
    begin_event();
    if (complete) return true;
  }
  // An endless line: keep only that it is one.
  if (buffer_.size() - read_ > event_bytes_max) {
    drop_event();
    buffer_.resize(read_);
    buffer_ += 'x';
    scanned_ = buffer_.size();
  }
  return false;
}

void SseParser::begin_event() {
  data_.clear();
  type_.clear();
  has_data_ = false;
  dropping_ = false;
}

void SseParser::drop_event() {
  if (!dropping_) ++dropped_;
  dropping_ = true;
  data_.clear();
}

void SseParser::field(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == 0) return;
  const auto name = line.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    if (data_.size() + value.size() + 1 > event_bytes_max) return drop_event();
    if (has_data_) data_ += '\n';
    data_.append(value);
    has_data_ = true;
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id") {
    // As the standard asks: a NUL could not be sent back in Last-Event-ID.
    if (value.find('\0') == std::string_view::npos) id_ = value;
  }
}

}  // namespace memseal::wire
