#include "runtime/metrics_page.hpp"

namespace memseal::runtime {

namespace {

// Every family begins with this line. The lines up to the next one are its own.
constexpr std::string_view begin_of_family = "# HELP ";

}  // namespace

std::string families_of(std::string_view page,
                        const std::function<bool(std::string_view name)>& shows) {
  std::string shown;
  bool wanted = false;
  while (!page.empty()) {
    const auto end = page.find('\n');
    const auto line = page.substr(0, end == page.npos ? page.size() : end + 1);
    if (line.starts_with(begin_of_family)) {
      const auto rest = line.substr(begin_of_family.size());
      wanted = shows(rest.substr(0, rest.find_first_of(" \n")));
    }
    if (wanted) shown += line;
    page.remove_prefix(line.size());
  }
  return shown;
}

}  // namespace memseal::runtime
