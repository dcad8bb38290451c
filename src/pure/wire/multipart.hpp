#pragma once
// multipart/form-data (RFC 7578, RFC 2046 §5.1) read in pieces, in constant memory.
#include "base/result.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::wire {

/// What a form may have. More is refused.
inline constexpr std::size_t form_parts_max = 32, form_header_bytes_max = 8'192;

/// One field of a form. Texts are well-formed UTF-8 without control characters.
struct FormPart {
  std::string name;
  /// As the client gave it, which may be a path; empty: the part is no file.
  std::optional<std::string> filename;
  std::string media_type;  ///< the value of Content-Type; empty: none
};

/// Takes the body of one form piece by piece. Thread: one at a time.
class MultipartReader {
 public:
  enum class Step {
    more,     ///< all that was fed is read: feed() more; no more may be there: the form was cut
    part,     ///< a part begins: part()
    content,  ///< the next bytes of that part: content()
    end,      ///< the form is whole; what follows it means nothing
  };

  /// `content_type`: of the request. Error: unsupported_media_type for another type or a boundary
  /// that none may be.
  static Result<MultipartReader> of(std::string_view content_type);

  /// REQUIRES: next() said `more`, or nothing was fed yet.
  void feed(std::string_view bytes);
  /// Error: bad_request, after which every call fails.
  Result<Step> next();
  const FormPart& part() const noexcept { return part_; }
  /// Never empty. The view ends with the next call.
  std::string_view content() const noexcept { return content_; }

 private:
  enum class State { preamble, line_end, header, content, ended, failed };

  explicit MultipartReader(std::string delimiter);
  Result<Step> skip_preamble();
  Result<Step> read_line_end();
  Result<Step> read_header();
  Result<Step> read_content();
  Error fail(std::string_view message);
  std::string_view rest() const noexcept { return std::string_view(buffer_).substr(at_); }

  std::string delimiter_;  // CRLF, two hyphens, boundary
  std::string buffer_;
  std::size_t at_ = 0;  // what is before it in buffer_ was read
  State state_ = State::preamble;
  std::size_t skipped_ = 0, parts_ = 0;
  FormPart part_;
  std::string_view content_;
};

}  // namespace memseal::wire
