#pragma once
// What an operator may set of searching.
#include "base/setting.hpp"

namespace memseal::search {

/// Section `search`.
struct Settings {
  std::int64_t matrix_bytes = std::int64_t{256} << 20;
  std::int64_t matrix_chunks_min = 500;

  static SettingRows<Settings> rows();
};

}  // namespace memseal::search
