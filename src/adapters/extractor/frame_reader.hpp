#pragma once
// Reads what memseal-extract writes. The helper has read a hostile file, so this is hostile too:
// nothing but its bytes is believed; offsets and counts are made here.
#include "extract/protocol.hpp"
#include "ports/text_extractor.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::extractor {

/// Makes one text of a stream of frames. Thread: one at a time.
class FrameReader {
 public:
  static constexpr std::size_t pages_max = 100'000;

  enum class State {
    reading,
    ended,      ///< the stream is whole; end() says how the helper ended
    broken,     ///< no stream of ours
    too_large,  ///< the text is longer than `text_bytes_max`
  };

  /// `stream_bytes_max`: of all frames together, see extract::output_bytes_max().
  FrameReader(std::size_t text_bytes_max, std::size_t stream_bytes_max)
      : text_bytes_max_(text_bytes_max), left_(stream_bytes_max) {}

  /// Takes the next bytes, of any number. What follows the end breaks the stream.
  State take(std::string_view bytes);

  std::size_t text_bytes_max() const noexcept { return text_bytes_max_; }
  State state() const noexcept { return state_; }
  /// REQUIRES: state() == State::ended.
  extract::End end() const noexcept { return end_; }
  /// What the helper said when it began.
  bool can_read_pdf() const noexcept { return can_read_pdf_; }
  /// What has come so far.
  ports::ExtractedText text() &&;

 private:
  State take_frame();
  State handle(extract::Frame type, unsigned level, std::string_view payload);
  State add(extract::Frame type, unsigned level, std::string_view payload);
  void separate(extract::Frame type);
  void begin_page(std::string_view label);

  const std::size_t text_bytes_max_;
  std::size_t left_;
  std::string waiting_;  ///< an unfinished frame
  std::size_t frames_ = 0;
  State state_ = State::reading;
  extract::End end_ = extract::End::whole;
  bool can_read_pdf_ = false;
  std::optional<extract::Frame> last_;  ///< of the text
  std::size_t pages_placed_ = 0;
  ports::ExtractedText text_;
};

}  // namespace memseal::extractor
