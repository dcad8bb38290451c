#include "pure/text/settings.hpp"

namespace memseal::text {

SettingRows<ChunkSettings> ChunkSettings::rows() {
  using namespace setting;
  return {number("chunk.tokens", "most tokens of one chunk", 16, limits::chunk_tokens_max,
                 &ChunkSettings::tokens),
          number("chunk.overlap", "tokens repeated from the chunk before", 0,
                 limits::chunk_tokens_max / 2, &ChunkSettings::overlap)};
}

}  // namespace memseal::text
