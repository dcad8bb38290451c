#include "extract/blocks.hpp"

#include "extract/charset.hpp"

namespace memseal::extract {

namespace {

constexpr std::string_view white = " \t\r\n\f\v";

/// A label that is no text says nothing.
std::string_view label_of(std::string_view text) {
  constexpr std::size_t label_bytes_max = 200;
  return is_utf8(text) ? first_characters(text, label_bytes_max) : std::string_view();
}

}  // namespace

std::string_view first_characters(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

void Blocks::hand_on(Frame type, unsigned level, std::string_view text) {
  const auto bytes = frame_head_bytes + text.size();
  if (bytes > left_ || ++frames_ > frames_max) throw Stop(End::too_large, "too much text");
  left_ -= bytes;
  sink_(type, level, text);
}

void Blocks::hand_on_in_pieces(Frame type, unsigned level, std::string_view text) {
  if (!is_utf8(text)) return hand_on_in_pieces(type, level, to_utf8(text, "UTF-8"));
  while (!text.empty()) {
    const auto piece = first_characters(text, payload_bytes_max);
    hand_on(type, level, piece);
    text.remove_prefix(piece.size());
  }
}

void Blocks::put(Frame type, unsigned level, std::string_view text) {
  const auto first = text.find_first_not_of(white);
  if (first == text.npos) return;
  text = text.substr(first, text.find_last_not_of(white) - first + 1);
  has_text_ = has_text_ || type != Frame::metadata;
  hand_on_in_pieces(type, level, text);
}

void Blocks::verbatim(std::string_view text) {
  has_text_ = has_text_ || text.find_first_not_of(white) != text.npos;
  hand_on_in_pieces(Frame::verbatim, 0, text);
}

void Blocks::page(std::string_view label) { hand_on(Frame::page, 0, label_of(label)); }

void Blocks::warn(std::string_view why) {
  has_warnings_ = true;
  hand_on(Frame::warning, 0, label_of(why));
}

void append_to_paragraph(std::string& paragraph, std::string_view more, Blocks& out) {
  if (paragraph.size() + more.size() > payload_bytes_max) {
    out.text(paragraph);
    paragraph.clear();
  }
  paragraph += more;
}

}  // namespace memseal::extract
