#include "app/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace memseal::app {

std::size_t help_columns() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
      size.ws_col == 0)
    return 80;
  return std::clamp<std::size_t>(size.ws_col, 40, 100);
}

bool allows_colours(const std::vector<std::pair<std::string, std::string>>& environment) {
  return std::none_of(environment.begin(), environment.end(), [](const auto& entry) {
    const auto& [name, value] = entry;
    return (name == "NO_COLOR" && !value.empty()) || (name == "TERM" && value == "dumb");
  });
}

}  // namespace memseal::app
