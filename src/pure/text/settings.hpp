#pragma once
// What an operator may set of chunks.
#include "base/limits.hpp"
#include "base/setting.hpp"

namespace memseal::text {

inline constexpr std::int64_t chunk_overlap_default = 0;

/// Section `chunk`. Sizes are tokens of the embedder's own vocabulary, specials excluded.
struct ChunkSettings {
  std::int64_t tokens = limits::chunk_tokens_default;
  std::int64_t overlap = chunk_overlap_default;

  static SettingRows<ChunkSettings> rows();
};

}  // namespace memseal::text
