#pragma once
// What an operator may set of ingest.
#include "base/setting.hpp"

namespace memseal::ingest {

/// Of section `kafka`.
struct Settings {
  bool enabled = true;
  bool status_events = true;
  bool require_authtoken = false;  ///< refuse events without a producer's signed token

  static SettingRows<Settings> rows();
};

}  // namespace memseal::ingest
