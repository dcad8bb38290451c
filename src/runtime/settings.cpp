#include "runtime/settings.hpp"

namespace memseal::runtime {

SettingRows<ReleaseSettings> ReleaseSettings::rows() {
  using namespace setting;
  return {text("runtime.release",
               "name of this release in memseal_build_info, to tell a canary; empty: the version",
               &ReleaseSettings::release)};
}

SettingRows<LoopSettings> LoopSettings::rows() {
  using namespace setting;
  return {number("runtime.loops", "I/O threads; 0: half the cores, at least one", 0, 64,
                 &LoopSettings::loops)};
}

SettingRows<LogSettings> LogSettings::rows() {
  using namespace setting;
  return {choice("log.level", "least level logged", {"debug", "info", "warn", "error", "off"},
                 &LogSettings::level),
          choice("log.format", "text, json, or auto: text on a terminal", {"auto", "text", "json"},
                 &LogSettings::format)};
}

}  // namespace memseal::runtime
