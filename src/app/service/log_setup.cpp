#include "app/service/log_setup.hpp"

#include "runtime/log.hpp"

#include <unistd.h>

namespace memseal::app {

void set_up_log(const Config& config) {
  auto level = runtime::LogLevel::info;
  runtime::parse_log_level(config.log.level, level);
  // auto: text for a person at a terminal, JSON for whatever collects the log.
  const bool json = config.log.format == "json" || (config.log.format == "auto" && !isatty(2));
  runtime::log_setup(level, json ? runtime::LogFormat::json : runtime::LogFormat::text);
}

}  // namespace memseal::app
