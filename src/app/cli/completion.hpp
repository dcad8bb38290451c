#pragma once
// Scripts that let a shell complete the commands, options and values of memseal.
#include "app/cli/command_info.hpp"

#include <string>
#include <vector>

namespace memseal::app {

/// Each takes all commands, the program first. `settings` are the keys that --set takes.
/// NOTE: the scripts are static. They call no memseal.
std::string bash_completion(const std::vector<CommandInfo>& all,
                            const std::vector<std::string>& settings);
std::string zsh_completion(const std::vector<CommandInfo>& all,
                           const std::vector<std::string>& settings);
std::string fish_completion(const std::vector<CommandInfo>& all,
                            const std::vector<std::string>& settings);

}  // namespace memseal::app
