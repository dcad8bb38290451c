#pragma once
// What the parsers of formats make of a file: blocks of text in reading order.
#include "extract/protocol.hpp"

#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace memseal::extract {

/// Ends the work on a file. `why` is for tests and people at a terminal; clients never see it.
class Stop : public std::exception {
 public:
  Stop(End end, const char* why) : end_(end), why_(why) {}
  End end() const noexcept { return end_; }
  const char* what() const noexcept override { return why_; }

 private:
  End end_;
  const char* why_;
};

/// The most whole characters at the front of `text`, which is UTF-8, that `bytes_max` bytes hold.
std::string_view first_characters(std::string_view text, std::size_t bytes_max);

/// Takes blocks and hands them on as frames, all in UTF-8 whatever the parser gave, because the
/// service takes a malformed frame for a sign of an attack: bytes of a text that mean nothing
/// become U+FFFD, and a label that is not UTF-8 becomes empty. Thread: one.
class Blocks {
 public:
  using Sink = std::function<void(Frame, unsigned level, std::string_view payload)>;

  /// `bytes_max`: of all frames together; put() throws Stop{too_large} beyond it.
  Blocks(Sink sink, std::size_t bytes_max) : sink_(std::move(sink)), left_(bytes_max) {}

  /// Without white space at its edges; nothing where nothing is left. A longer text than a payload
  /// becomes several frames, cut between characters.
  void put(Frame type, unsigned level, std::string_view text);
  void text(std::string_view text) { put(Frame::paragraph, 0, text); }
  /// As it is.
  void verbatim(std::string_view text);
  void page(std::string_view label = {});
  /// A part could not be read; the rest goes on.
  void warn(std::string_view why);

  bool has_text() const noexcept { return has_text_; }
  bool has_warnings() const noexcept { return has_warnings_; }

 private:
  void hand_on_in_pieces(Frame type, unsigned level, std::string_view text);
  void hand_on(Frame type, unsigned level, std::string_view text);

  Sink sink_;
  std::size_t left_;
  std::size_t frames_ = 0;
  bool has_text_ = false, has_warnings_ = false;
};

/// Appends, and moves what is there on as a paragraph once it is too long for one.
void append_to_paragraph(std::string& paragraph, std::string_view more, Blocks& out);

}  // namespace memseal::extract
