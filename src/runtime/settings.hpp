#pragma once
// What an operator may set of threads and of the log.
#include "base/setting.hpp"

#include <string>

namespace memseal::runtime {

/// Of section `runtime`.
struct ReleaseSettings {
  std::string release;  ///< label of memseal_build_info; empty: the version

  static SettingRows<ReleaseSettings> rows();
};

/// Of section `runtime`.
struct LoopSettings {
  std::int64_t loops = 0;  ///< I/O threads; 0: half the cores, at least one

  static SettingRows<LoopSettings> rows();
};

/// Section `log`.
struct LogSettings {
  std::string level = "info";   ///< see parse_log_level()
  std::string format = "auto";  ///< "text", "json", "auto": text on a terminal

  static SettingRows<LogSettings> rows();
};

}  // namespace memseal::runtime
