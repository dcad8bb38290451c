#pragma once
// The table of commands: their names, options and help, and what each one runs.
#include "app/cli/commands.hpp"

#include <functional>

namespace CLI {
class App;
}

namespace memseal::app {

/// Runs the command that was chosen. Returns the exit code.
using Action = std::function<int()>;

/// Adds every command to `app`. Parsing then sets `action`.
/// REQUIRES: `global` and `action` outlive `app`.
void add_commands(CLI::App& app, GlobalOptions& global, Action& action);

}  // namespace memseal::app
