#pragma once
// What an operator may set of the directory of files.
#include "base/setting.hpp"

#include <cstdint>
#include <string>

namespace memseal::files {

/// Of section `files`.
struct Settings {
  std::string directory;                                  ///< empty: this service keeps no files
  std::int64_t free_bytes_min = std::int64_t{512} << 20;  ///< what uploads leave of the disk

  static SettingRows<Settings> rows();
};

}  // namespace memseal::files
