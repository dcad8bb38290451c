// Any stream in any pieces: it reads the same as in one piece, and the text is sound and bounded.
#include "adapters/extractor/frame_reader.hpp"
#include "base/assert.hpp"
#include "pure/codec/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

using namespace memseal;
using extractor::FrameReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::size_t text_max = 5'000, stream_max = 20'000;
  std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t piece = 1 + data[0] % 32;
  FrameReader whole(text_max, stream_max), pieces(text_max, stream_max);
  whole.take(stream);
  for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size())))
    pieces.take(stream.substr(0, piece));
  if (whole.state() == FrameReader::State::ended)
    MEMSEAL_ASSERT(pieces.state() == FrameReader::State::ended && pieces.end() == whole.end());
  const auto text = std::move(whole).text();
  MEMSEAL_ASSERT(codec::is_utf8(text.text) && text.text.find('\0') == text.text.npos);
  MEMSEAL_ASSERT(text.text.size() <= 3 * size + 3);
  std::size_t before = 0;
  for (const auto& page : text.pages) {
    MEMSEAL_ASSERT(page.at >= before && page.at <= text.text.size());
    before = page.at;
  }
  return 0;
}
