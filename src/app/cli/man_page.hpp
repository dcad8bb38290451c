#pragma once
// Manual pages, in the macros of man(7).
#include "app/cli/command_info.hpp"

#include <string>

namespace memseal::app {

/// The page of one command.
std::string man_page(const CommandInfo& command, const CommandInfo& program);

/// The name of its file: "memseal-keys-init.1".
std::string man_file(const CommandInfo& command);

}  // namespace memseal::app
