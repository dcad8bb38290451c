#include "app/service/exit_code.hpp"

#include "runtime/log.hpp"

#include <exception>

namespace memseal::app {

int exit_code_after(const std::exception_ptr& failure) {
  using runtime::log;
  using runtime::LogLevel;
  if (!failure) {
    log(LogLevel::info, "service.stopped");
    return exit_ok;
  }
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& broken) {
    log(LogLevel::error, "service.broken", {{"cause", broken.what()}});
  } catch (...) {
    log(LogLevel::error, "service.broken", {{"cause", "an exception of an unknown type"}});
  }
  return exit_failed;
}

}  // namespace memseal::app
