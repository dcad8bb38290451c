#include "extract/blocks.hpp"

namespace memseal::extract {

namespace {

constexpr std::string_view white = " \t\r\n\f\v";

/// At most `most` bytes of `text` that end between two characters.
std::size_t cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return most;
}

}  // namespace

void Blocks::hand_on(Frame type, unsigned level, std::string_view text) {
  const auto bytes = frame_head_bytes + text.size();
  if (bytes > left_ || ++frames_ > frames_max) throw Stop(End::too_large, "too much text");
  left_ -= bytes;
  sink_(type, level, text);
}

void Blocks::put(Frame type, unsigned level, std::string_view text) {
  const auto first = text.find_first_not_of(white);
  if (first == text.npos) return;
  text = text.substr(first, text.find_last_not_of(white) - first + 1);
  has_text_ = has_text_ || type != Frame::metadata;
  while (!text.empty()) {
    const auto size = cut(text, payload_bytes_max);
    hand_on(type, level, text.substr(0, size));
    text.remove_prefix(size);
  }
}

void Blocks::verbatim(std::string_view text) {
  has_text_ = has_text_ || text.find_first_not_of(white) != text.npos;
  while (!text.empty()) {
    const auto size = cut(text, payload_bytes_max);
    hand_on(Frame::verbatim, 0, text.substr(0, size));
    text.remove_prefix(size);
  }
}

void Blocks::page(std::string_view label) {
  hand_on(Frame::page, 0, label.substr(0, cut(label, 200)));
}

void Blocks::warn(std::string_view why) {
  has_warnings_ = true;
  hand_on(Frame::warning, 0, why.substr(0, cut(why, 200)));
}

void append_to_paragraph(std::string& paragraph, std::string_view more, Blocks& out) {
  if (paragraph.size() + more.size() > payload_bytes_max) {
    out.text(paragraph);
    paragraph.clear();
  }
  paragraph += more;
}

}  // namespace memseal::extract
