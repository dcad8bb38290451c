#pragma once
// What is wrong with a command line, said to a person.
#include "base/result.hpp"

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace memseal::app {

struct UsageError {
  Error error;           ///< bad_request; the message names the word that is wrong
  std::string hint;      ///< what shows the right words
  bool nothing = false;  ///< a command was expected, and there is no word at all
};

/// Explains why `program` refused its words. An unknown command or option is named, with the known
/// one that it resembles.
UsageError usage_error(const CLI::App& program, const CLI::ParseError& failure);

/// Whether a word stands where a command was expected, and no command has this name.
bool names_unknown_command(const CLI::App& program);

/// The command that the words chose, as far as they could be understood.
const CLI::App& chosen_command(const CLI::App& program);

}  // namespace memseal::app
