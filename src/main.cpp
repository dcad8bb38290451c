#include "app/cli/cli.hpp"

int main(int argc, char** argv) { return memseal::app::run_cli(argc, argv); }
