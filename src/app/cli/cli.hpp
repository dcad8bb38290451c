#pragma once

namespace memseal::app {

/// The whole program: parses the command line, runs one command, returns its exit code.
int run_cli(int argc, char** argv);

}  // namespace memseal::app
