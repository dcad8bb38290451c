#include "pure/wire/multipart.hpp"

#include "pure/codec/ascii.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/field_value.hpp"

#include <algorithm>
#include <utility>

namespace memseal::wire {

namespace {

constexpr std::size_t boundary_bytes_max = 70, preamble_bytes_max = 4'096, padding_bytes_max = 64;
constexpr std::string_view line_end = "\r\n";

bool is_boundary(std::string_view text) {
  return !text.empty() && text.size() <= boundary_bytes_max && text.back() != ' ' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
         });
}

/// Browsers write a quotation mark in a name as %22 (WHATWG HTML, "multipart form data").
std::string with_quotes(std::string text) {
  for (auto at = text.find("%22"); at != text.npos; at = text.find("%22", at + 1))
    text.replace(at, 3, "\"");
  return text;
}

/// Reads one field line of a part into `part`. False: it is malformed, or says what cannot be
/// taken.
bool read_field(std::string_view line, FormPart& part, bool& has_disposition) {
  const auto colon = line.find(':');
  if (colon == line.npos || colon == 0 || !codec::is_utf8(line) || codec::has_control(line))
    return false;
  if (!std::ranges::all_of(line.substr(0, colon), is_token_char)) return false;
  const auto name = codec::ascii_lower(line.substr(0, colon));
  const auto value = line.substr(colon + 1);
  if (name == "content-disposition") {
    auto parsed = parse_field_value(value);
    // Two of them would let a proxy that checks the first pass what a reader of the second stores.
    if (std::exchange(has_disposition, true) || !parsed || parsed->value != "form-data")
      return false;
    const auto field = parsed->parameters.find("name");
    if (field == parsed->parameters.end()) return false;
    part.name = with_quotes(std::move(field->second));
    if (const auto file = parsed->parameters.find("filename"); file != parsed->parameters.end())
      part.filename = with_quotes(std::move(file->second));
    return true;
  }
  if (name == "content-type") {
    if (!part.media_type.empty()) return false;
    const auto first = std::min(value.find_first_not_of(" \t"), value.size());
    part.media_type = value.substr(first);
    return !part.media_type.empty();
  }
  if (name != "content-transfer-encoding") return true;
  const auto parsed = parse_field_value(value);
  return parsed &&
         // RFC 7578 deprecates base64 and quoted-printable here. Taken as they are, their bytes
         // would be stored encoded.
         (parsed->value == "7bit" || parsed->value == "8bit" || parsed->value == "binary");
}

std::optional<FormPart> parse_header(std::string_view header) {
  FormPart part;
  bool has_disposition = false;
  while (!header.empty()) {
    const auto end = std::min(header.find(line_end), header.size());
    if (!read_field(header.substr(0, end), part, has_disposition)) return std::nullopt;
    header.remove_prefix(std::min(end + line_end.size(), header.size()));
  }
  if (!has_disposition) return std::nullopt;
  return part;
}

}  // namespace

MultipartReader::MultipartReader(std::string delimiter)
    // The first delimiter may lack the line end before it.
    : delimiter_(std::move(delimiter)), buffer_(line_end) {}

Result<MultipartReader> MultipartReader::of(std::string_view content_type) {
  const auto parsed = parse_field_value(content_type);
  if (parsed && parsed->value == "multipart/form-data") {
    const auto boundary = parsed->parameters.find("boundary");
    if (boundary != parsed->parameters.end() && is_boundary(boundary->second))
      return MultipartReader(std::string(line_end) + "--" + boundary->second);
  }
  return Error{Errc::unsupported_media_type,
               "a form is multipart/form-data with a boundary of 1 to 70 characters"};
}

void MultipartReader::feed(std::string_view bytes) {
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_ += bytes;
}

Error MultipartReader::fail(std::string_view message) {
  state_ = State::failed;
  return {Errc::bad_request, std::string(message)};
}

Result<MultipartReader::Step> MultipartReader::next() {
  switch (state_) {
    case State::preamble: return skip_preamble();
    case State::line_end: return read_line_end();
    case State::header: return read_header();
    case State::content: return read_content();
    case State::ended: return Step::end;
    case State::failed: break;
  }
  return fail("the form is malformed");
}

Result<MultipartReader::Step> MultipartReader::skip_preamble() {
  const auto found = rest().find(delimiter_);
  const auto skipped = found != std::string_view::npos
                           ? found
                           : rest().size() - std::min(rest().size(), delimiter_.size() - 1);
  skipped_ += skipped;
  at_ += skipped;
  if (skipped_ > preamble_bytes_max) return fail("the form does not begin with its boundary");
  if (found == std::string_view::npos) return Step::more;
  at_ += delimiter_.size();
  state_ = State::line_end;
  return read_line_end();
}

/// Reads what is behind a delimiter: the end of its line, or the two hyphens that end the form.
Result<MultipartReader::Step> MultipartReader::read_line_end() {
  const auto text = rest();
  if (text.size() < line_end.size()) return Step::more;
  if (text.starts_with("--")) {
    state_ = State::ended;
    return Step::end;
  }
  const auto padding = std::min(text.find_first_not_of(" \t"), text.size());
  if (padding > padding_bytes_max) return fail("a boundary has no end of its line");
  const auto ends = text.substr(padding, line_end.size());
  if (ends.size() < line_end.size() && line_end.starts_with(ends)) return Step::more;
  if (ends != line_end) return fail("what follows a boundary is neither a line end nor --");
  at_ += padding + line_end.size();
  state_ = State::header;
  return read_header();
}

Result<MultipartReader::Step> MultipartReader::read_header() {
  constexpr std::string_view header_end = "\r\n\r\n";
  const auto found = rest().find(header_end);
  if (std::min(found, rest().size()) > form_header_bytes_max)
    return fail("the header of a part is larger than 8192 bytes");
  if (found == std::string_view::npos) return Step::more;
  auto part = parse_header(rest().substr(0, found));
  if (!part)
    return fail("a part needs Content-Disposition: form-data; name=\"…\", and no transfer "
                "encoding");
  if (++parts_ > form_parts_max) return fail("a form has at most 32 parts");
  part_ = std::move(*part);
  at_ += found + header_end.size();
  state_ = State::content;
  return Step::part;
}

Result<MultipartReader::Step> MultipartReader::read_content() {
  const auto text = rest();
  const auto found = text.find(delimiter_);
  if (found == 0) {
    at_ += delimiter_.size();
    state_ = State::line_end;
    return read_line_end();
  }
  // The end of what is there may begin a delimiter.
  const auto size = found != std::string_view::npos
                        ? found
                        : text.size() - std::min(text.size(), delimiter_.size() - 1);
  if (size == 0) return Step::more;
  content_ = text.substr(0, size);
  at_ += size;
  return Step::content;
}

}  // namespace memseal::wire
