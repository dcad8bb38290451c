#include "adapters/extractor/frame_reader.hpp"

#include "pure/codec/utf8.hpp"

#include <algorithm>
#include <utility>

namespace memseal::extractor {

namespace {

using extract::Frame;

/// Line feeds and tabs stay, a carriage return is a line feed, other control characters are spaces.
std::string cleaned(std::string_view text, bool is_one_line) {
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\r') {
      if (i + 1 < text.size() && text[i + 1] == '\n') continue;
      c = '\n';
    }
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = byte == 0x7f || (byte < 0x20 && c != '\n' && c != '\t');
    clean += is_control || (is_one_line && (c == '\n' || c == '\t')) ? ' ' : c;
  }
  return clean;
}

std::uint32_t length_in(std::string_view head) {
  std::uint32_t length = 0;
  for (std::size_t i = 4; i-- > 0;) length = length << 8 | static_cast<unsigned char>(head[4 + i]);
  return length;
}

}  // namespace

FrameReader::State FrameReader::take(std::string_view bytes) {
  if (state_ == State::reading && bytes.size() > left_) state_ = State::too_large;
  // A helper that goes on after its end is not the one that was built.
  if (state_ == State::ended && !bytes.empty()) state_ = State::broken;
  if (state_ != State::reading) return state_;
  left_ -= bytes.size();
  waiting_ += bytes;
  return state_ = take_frame();
}

/// All that are whole.
FrameReader::State FrameReader::take_frame() {
  const std::string_view all = waiting_;
  std::size_t at = 0;
  auto state = State::reading;
  while (state == State::reading && all.size() - at >= extract::frame_head_bytes) {
    const auto head = all.substr(at, extract::frame_head_bytes);
    const auto length = length_in(head);
    const auto level = static_cast<unsigned char>(head[1]);
    // The helper has read a hostile file, so it may be the attacker's by now. Whatever it never
    // writes is taken for that.
    if (length > extract::payload_bytes_max || level > extract::level_max || head[2] != 0 ||
        head[3] != 0 || ++frames_ > extract::frames_max)
      return State::broken;
    if (all.size() - at - extract::frame_head_bytes < length) {
      --frames_;
      break;
    }
    const auto payload = all.substr(at + extract::frame_head_bytes, length);
    const auto type = static_cast<Frame>(static_cast<unsigned char>(head[0]));
    // The first frame, and no other, begins.
    if ((frames_ == 1) != (type == Frame::begin) || !codec::is_utf8(payload)) return State::broken;
    at += extract::frame_head_bytes + length;
    state = handle(type, level, payload);
  }
  if (state == State::ended && at != all.size()) return State::broken;
  waiting_.erase(0, at);
  return state;
}

FrameReader::State FrameReader::handle(Frame type, unsigned level, std::string_view payload) {
  constexpr std::size_t title_bytes_max = 1'000;
  constexpr std::string_view title_key = "title\t";
  switch (type) {
    case Frame::begin:
      if (!payload.starts_with(extract::protocol_version)) return State::broken;
      can_read_pdf_ = payload.substr(1) == "\tpdfium";
      return State::reading;
    case Frame::page:
      if (text_.pages.size() >= pages_max) return State::too_large;
      begin_page(payload);
      return State::reading;
    case Frame::metadata:
      if (text_.title.empty() && payload.starts_with(title_key) &&
          payload.size() <= title_key.size() + title_bytes_max)
        text_.title = cleaned(payload.substr(title_key.size()), true);
      return State::reading;
    case Frame::warning:
      text_.is_whole = false;
      return State::reading;
    case Frame::end:
      if (level > extract::end_last || !payload.empty()) return State::broken;
      end_ = static_cast<extract::End>(level);
      return State::ended;
    case Frame::heading:
    case Frame::paragraph:
    case Frame::row:
    case Frame::verbatim:
      return add(type, level, payload);
  }
  return State::broken;
}

void FrameReader::begin_page(std::string_view label) {
  constexpr std::size_t label_bytes_max = 200;
  text_.pages.push_back({0, cleaned(label.size() > label_bytes_max ? "" : label, true)});
}

void FrameReader::separate(Frame type) {
  if (last_) {
    const bool is_of_one = last_ == type && (type == Frame::verbatim || type == Frame::row);
    if (!is_of_one)
      text_.text += "\n\n";
    else if (type == Frame::row)
      text_.text += '\n';
  }
  last_ = type;
  for (; pages_placed_ < text_.pages.size(); ++pages_placed_)
    text_.pages[pages_placed_].at = text_.text.size();
}

FrameReader::State FrameReader::add(Frame type, unsigned level, std::string_view payload) {
  // A file that is verbatim text alone keeps the offsets of the original; one heading makes it
  // Markdown.
  text_.is_plain = type == Frame::verbatim && (text_.is_plain || !last_);
  separate(type);
  if (type == Frame::heading) {
    constexpr unsigned marks_max = 6;
    // Markdown has six levels, Word nine.
    text_.text.append(std::clamp(level, 1u, marks_max), '#');
    text_.text += ' ';
  }
  if (type == Frame::row) {
    // Tabs part the cells, and a row is one line.
    auto row = cleaned(payload, false);
    std::replace(row.begin(), row.end(), '\n', ' ');
    text_.text += row;
  } else {
    text_.text += cleaned(payload, type == Frame::heading);
  }
  return text_.text.size() > text_bytes_max_ ? State::too_large : State::reading;
}

ports::ExtractedText FrameReader::text() && {
  for (; pages_placed_ < text_.pages.size(); ++pages_placed_)
    text_.pages[pages_placed_].at = text_.text.size();
  return std::move(text_);
}

}  // namespace memseal::extractor
