#pragma once
// What `--help` prints.
#include "app/cli/command_info.hpp"

#include <cstddef>

namespace memseal::app {

/// The help of `command`, in lines of at most `width` columns. `program` has the options of every
/// command. REQUIRES: width ≥ 40. NOTE: notes and examples keep their own lines.
std::string help_text(const CommandInfo& command, const CommandInfo& program, std::size_t width);

/// The line of usage: "memseal query [OPTION...] TEXT...".
std::string usage_line(const CommandInfo& command);

/// An option as help shows it: "-k, --top-k INT". An argument: "FILE...".
std::string option_label(const OptionInfo& option);

}  // namespace memseal::app
