#include "http/server/reader.hpp"

#include "base/limits.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace memseal::http {

namespace beast = boost::beast::http;
namespace asio = boost::asio;

namespace {

/// A body as Beast's parser fills it. Unlike string_body it reserves nothing, because a client may
/// announce gigabytes that are then streamed in parts.
struct PartBody {
  using value_type = std::string;

  class reader {
   public:
    template <bool is_request, class Fields>
    reader(beast::header<is_request, Fields>&, value_type& part) : part_(part) {}

    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& failed) {
      failed = {};
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& failed) {
      failed = {};
      const auto before = part_.size();
      for (auto each = asio::buffer_sequence_begin(buffers);
           each != asio::buffer_sequence_end(buffers); ++each) {
        const asio::const_buffer bytes(*each);
        part_.append(static_cast<const char*>(bytes.data()), bytes.size());
      }
      return part_.size() - before;
    }
    void finish(boost::system::error_code& failed) { failed = {}; }

   private:
    value_type& part_;
  };
};

}  // namespace

struct RequestReader::Parser {
  std::optional<beast::request_parser<PartBody>> beast;
};

namespace {

// Honest clients send no longer size line of a chunk and no longer trailer.
constexpr std::size_t chunk_line_bytes_max = 4'096;

/// Where the version of a request line of three words begins: `HTTP/` DIGIT `.` DIGIT (RFC 9112
/// §2.3). npos for any other line.
std::size_t version_at(std::string_view raw) {
  const auto line = raw.substr(0, raw.find('\r'));
  if (std::count(line.begin(), line.end(), ' ') != 2) return std::string_view::npos;
  const auto at = line.rfind(' ') + 1;
  const auto version = line.substr(at);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool well_formed = version.size() == 8 && version.starts_with("HTTP/") &&
                           is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
  return well_formed ? at : std::string_view::npos;
}

/// The bytes of `scheme://` at the front of an absolute-form target; 0 for another form.
std::size_t scheme_bytes(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
  return 0;
}

/// Reduces a target in absolute-form to its path, and makes its authority the Host, because a
/// server must ignore the Host field of such a request (RFC 9112 §3.2.2).
void resolve_target(RequestHead& head) {
  const auto scheme = scheme_bytes(head.target);
  if (scheme == 0) return;
  const auto end = std::min(head.target.find_first_of("/?", scheme), head.target.size());
  const auto authority = head.target.substr(scheme, end - scheme);
  head.target.erase(0, end);
  if (head.target.empty() && head.method == "OPTIONS")
    head.target = "*";
  else if (!head.target.starts_with('/'))
    head.target.insert(0, 1, '/');
  for (auto& field : head.fields)
    if (field.name == "host") field.value = authority;
  if (head.count("host") == 0) head.fields.push_back({"host", authority});
}

template <class Parser>
RequestHead head_of(const Parser& parser) {
  const auto& message = parser.get();
  RequestHead head;
  head.method = message.method_string();
  head.target = message.target();  // resolve_target() reduces an absolute one
  head.minor_version = static_cast<int>(message.version()) % 10;
  head.keep_alive = head.minor_version == 1 && message.keep_alive();
  for (const auto& field : message)
    head.fields.push_back(
        {codec::ascii_lower(field.name_string()), std::string(trimmed(field.value()))});
  if (const auto length = parser.content_length()) head.content_length = *length;
  head.has_body = parser.chunked() || head.content_length.value_or(0) > 0;
  if (!head.has_body) head.content_length = 0;
  if (const auto expect = head.field("expect"))
    head.expects_continue = equal_ignoring_case(*expect, "100-continue");
  return head;
}

}  // namespace

RequestReader::RequestReader() : parser_(std::make_unique<Parser>()) {}
RequestReader::~RequestReader() = default;

void RequestReader::next() {
  parser_->beast.reset();
  head_ = {};
  seen_ = 0;
  finished_ = false;
  body_begun_ = body_refused_ = line_skipped_ = false;
}

Progress RequestReader::refuse(Refusal refusal) {
  refusal_ = refusal;
  body_refused_ = true;
  return Progress::refused;
}

Progress RequestReader::read_head(std::string& buffer) {
  // RFC 9112 §2.2: one empty line before a request is a leftover of an old client.
  if (seen_ == 0 && !line_skipped_) {
    if (buffer == "\r") return Progress::more;
    line_skipped_ = buffer.starts_with("\r\n");
    if (line_skipped_) buffer.erase(0, 2);
  }
  if (buffer.empty()) return Progress::more;

  // The end may straddle two reads, so look at the last three bytes again.
  const auto end = buffer.find("\r\n\r\n", seen_ - std::min<std::size_t>(seen_, 3));
  const auto raw = std::string_view(buffer).substr(0, end == std::string::npos ? end : end + 4);
  if (const auto refusal = check_raw_head(raw, seen_)) return refuse(*refusal);
  seen_ = raw.size();
  if (end == std::string::npos) return Progress::more;

  const auto version = version_at(raw);
  if (version != std::string_view::npos && raw[version + 5] != '1')
    return refuse({505, "this server speaks HTTP/1.1"});
  // A later minor version is compatible (RFC 9110 §2.5), but Beast refuses it.
  if (version != std::string_view::npos && raw[version + 7] > '1') buffer[version + 7] = '1';

  auto& parser = parser_->beast.emplace();
  // The head alone: read_body() feeds the body once the route has said how much it takes.
  parser.eager(false);
  parser.header_limit(limits::http_header_bytes_max);
  parser.body_limit(boost::none);  // read_body() knows the limit
  boost::system::error_code failed;
  const auto taken = parser.put(asio::buffer(raw.data(), raw.size()), failed);
  if (failed || !parser.is_header_done() || taken != raw.size())
    return refuse({400, "the request is not well-formed HTTP"});
  head_ = head_of(parser);
  // Before resolve_target(), which replaces the Host of an absolute-form request.
  if (const auto refusal = check_host(head_)) return refuse(*refusal);
  resolve_target(head_);
  if (const auto refusal = check_head(head_)) return refuse(*refusal);
  buffer.erase(0, raw.size());
  finished_ = !head_.has_body;
  return Progress::done;
}

Progress RequestReader::read_body(std::string& buffer, std::size_t bytes_max) {
  if (finished_) return Progress::done;
  if (body_refused_) return Progress::refused;
  const Refusal too_large{413, "the body is larger than this server reads"};
  if (head_.content_length.value_or(0) > bytes_max) return refuse(too_large);
  auto& parser = *parser_->beast;
  // Set once, because Beast counts the limit down and a second call would restart the count.
  if (!std::exchange(body_begun_, true)) parser.body_limit(bytes_max);
  std::size_t taken = 0;
  while (taken < buffer.size() && !parser.is_done()) {
    boost::system::error_code failed;
    const auto step =
        parser.put(asio::buffer(buffer.data() + taken, buffer.size() - taken), failed);
    taken += step;
    if (failed == beast::error::need_more) break;
    if (failed == beast::error::body_limit) return refuse(too_large);
    if (failed) return refuse({400, "the body is not framed as its header says"});
    if (step == 0) break;
  }
  buffer.erase(0, taken);
  if (parser.is_done()) {
    finished_ = true;
    return Progress::done;
  }
  if (buffer.size() > chunk_line_bytes_max)
    return refuse({400, "a chunk's header is larger than this server reads"});
  return Progress::more;
}

std::string RequestReader::take_body() {
  return std::exchange(parser_->beast->get().body(), {});
}

}  // namespace memseal::http
