#pragma once
// Calls the command line as main() does, and keeps what it prints.
#include "app/cli/cli.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace memseal::test {

struct Ran {
  int code = 0;  ///< exit code
  std::string out, err;
};

/// `words`: the arguments after the program's name. Not re-entrant: captures stdout and stderr.
inline Ran run_program(std::vector<std::string> words) {
  words.insert(words.begin(), "memseal");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Ran ran;
  ran.code = app::run_cli(static_cast<int>(words.size()), argv.data());
  ran.out = testing::internal::GetCapturedStdout();
  ran.err = testing::internal::GetCapturedStderr();
  return ran;
}

}  // namespace memseal::test
