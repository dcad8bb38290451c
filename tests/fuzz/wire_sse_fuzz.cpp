// Any stream: the pieces it comes in change nothing, and our own frames are read back.
#include "base/assert.hpp"
#include "pure/wire/sse.hpp"

#include <cstdint>
#include <tuple>
#include <vector>

using namespace memseal::wire;

namespace {

using Seen = std::vector<std::tuple<std::string, std::string, std::string>>;

Seen read(std::string_view stream, std::size_t piece) {
  SseParser parser;
  Seen seen;
  for (std::size_t at = 0; at < stream.size(); at += piece)
    parser.feed(stream.substr(at, piece), [&](const SseEvent& event) {
      MEMSEAL_ASSERT(event.data.size() <= SseParser::event_bytes_max);
      seen.emplace_back(event.id, event.type, event.data);
    });
  return seen;
}

/// `text` with every line end as LF: what any reader of an event stream sees.
std::string with_lf(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && i > 0 && text[i - 1] == '\r') continue;
    out += text[i] == '\r' ? '\n' : text[i];
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const auto whole = read(stream, size + 1);
  MEMSEAL_ASSERT(read(stream, 1) == whole);
  MEMSEAL_ASSERT(read(stream, 3) == whole);
  const auto framed = read(sse_retry(3000) + sse_frame("q", 7, "t", stream), 5);
  MEMSEAL_ASSERT(framed.size() == 1);
  MEMSEAL_ASSERT(framed.front() == std::make_tuple("q:7", "t", with_lf(stream)));
  return 0;
}
