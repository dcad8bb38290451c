#pragma once
// What an operator may set of the audit log.
#include "base/setting.hpp"

#include <cstdint>
#include <string>

namespace memseal::auditing {

/// Section `audit`.
struct Settings {
  std::string records = "all";         ///< see Scope
  std::int64_t checkpoint_s = 3'600;
  std::int64_t retention_days = 365;

  static SettingRows<Settings> rows();
};

}  // namespace memseal::auditing
