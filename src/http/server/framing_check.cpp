#include "http/server/framing_check.hpp"

#include "base/limits.hpp"

#include <algorithm>
#include <string>

namespace memseal::http {

namespace {

bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

bool all_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char byte) { return byte >= 0x21 && byte <= 0x7e; });
}

bool is_length(std::string_view text) {
  // Ten digits are more than any limit here and fit in 64 bits.
  return !text.empty() && text.size() <= 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Whether a proxy that maps or drops '-' and '_' would read this field as one that frames the
/// message.
bool is_twin_of_framing(std::string_view name) {
  if (name == "content-length" || name == "transfer-encoding") return false;
  std::string letters;
  for (const char c : name)
    if (c != '-' && c != '_') letters += c;
  return letters == "contentlength" || letters == "transferencoding";
}

bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

/// Whether a Transfer-Encoding is well-formed and names a coding that this server does not know. A
/// list in which "chunked" is not the last coding, or stands twice, is malformed.
bool names_unknown_coding(std::string_view list) {
  bool unknown = false;
  while (true) {
    const auto comma = list.find(',');
    const auto coding = trimmed(list.substr(0, comma));
    if (!is_token(coding)) return false;
    const bool chunked = equal_ignoring_case(coding, "chunked");
    unknown = unknown || !chunked;
    if (comma == std::string_view::npos) return unknown;
    if (chunked) return false;
    list.remove_prefix(comma + 1);
  }
}

// RFC 9110 gives a body of these methods no meaning (§9.3). A server that ignored one would read it
// as the next request.
bool takes_no_body(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "DELETE" || method == "OPTIONS" ||
         method == "TRACE" || method == "CONNECT";
}

std::optional<Refusal> check_framing(const RequestHead& head) {
  const auto encodings = head.count("transfer-encoding"), lengths = head.count("content-length");
  if (encodings + lengths == 0) return {};
  if (encodings != 0) {
    // A proxy may follow one field and this server the other, which is how requests are smuggled
    // (RFC 9112 §6.3).
    if (lengths != 0) return Refusal{400, "Transfer-Encoding and Content-Length together"};
    if (head.minor_version == 0) return Refusal{400, "HTTP/1.0 has no transfer encodings"};
    const auto codings = head.field("transfer-encoding").value_or("");
    if (names_unknown_coding(codings))
      return Refusal{501, "the only transfer coding that this server knows is chunked"};
    if (!equal_ignoring_case(codings, "chunked"))
      return Refusal{400, "the Transfer-Encoding must be one field that says chunked"};
  } else {
    if (lengths != 1) return Refusal{400, "more than one Content-Length"};
    if (!is_length(*head.field("content-length")))
      return Refusal{400, "the Content-Length is malformed"};
  }
  if (takes_no_body(head.method) && head.content_length != 0)
    return Refusal{400, "this method takes no body"};
  return {};
}

}  // namespace

std::optional<Refusal> check_raw_head(std::string_view raw, std::size_t seen) noexcept {
  if (raw.size() > limits::http_header_bytes_max)
    return Refusal{431, "the header is larger than this server reads"};
  for (std::size_t i = seen - std::min<std::size_t>(seen, 1); i < raw.size(); ++i) {
    const auto byte = static_cast<unsigned char>(raw[i]);
    if (!is_control(byte) || byte == '\t') continue;
    // Some parsers end a line at a bare CR or LF (RFC 9112 §2.2) or join folded lines (§5.2), and
    // so see other fields than this server.
    if (byte == '\r') {
      if (i + 1 < raw.size() && raw[i + 1] != '\n') return Refusal{400, "a bare CR in the header"};
    } else if (byte == '\n') {
      if (i == 0 || raw[i - 1] != '\r') return Refusal{400, "a bare LF in the header"};
      if (i + 1 < raw.size() && (raw[i + 1] == ' ' || raw[i + 1] == '\t'))
        return Refusal{400, "a folded line in the header"};
    } else {
      return Refusal{400, "a control byte in the header"};
    }
  }
  return {};
}

std::optional<Refusal> check_host(const RequestHead& head) noexcept {
  const auto hosts = head.count("host");
  if (hosts == 0 && head.minor_version == 0) return {};
  if (hosts != 1) return Refusal{400, "exactly one Host field is required"};
  const auto host = *head.field("host");
  // A name of 255 bytes, a colon and a port. The delimiters would make others see another host.
  if (host.empty() || host.size() > 261 || !all_visible(host) ||
      host.find_first_of("/?#@,\\\"<>") != std::string_view::npos)
    return Refusal{400, "the Host field is malformed"};
  return {};
}

std::optional<Refusal> check_head(const RequestHead& head) noexcept {
  if (head.fields.size() > limits::http_header_fields_max)
    return Refusal{431, "more header fields than this server reads"};
  const bool of_server = head.target == "*" && head.method == "OPTIONS";
  if (!of_server && (!head.target.starts_with('/') || !all_visible(head.target) ||
                     head.target.find('#') != std::string::npos))
    return Refusal{400, "the request target must be a path"};
  for (const auto& field : head.fields)
    if (is_twin_of_framing(field.name)) return Refusal{400, "a header field name is ambiguous"};
  if (auto refusal = check_host(head)) return refusal;
  if (auto refusal = check_framing(head)) return refusal;
  if (head.count("expect") != 0 && !head.expects_continue)
    return Refusal{417, "the only expectation this server meets is 100-continue"};
  return {};
}

}  // namespace memseal::http
