#pragma once
// Calls the command line as main() does, and keeps what it prints.
#include "app/cli/cli.hpp"

#include <gtest/gtest.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <string>
#include <utility>
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

/// As run_program(), with --json before the words.
inline Ran run_json(std::vector<std::string> words) {
  words.insert(words.begin(), "--json");
  return run_program(std::move(words));
}

/// The error object of a run with --json: it stands alone on stdout.
inline boost::json::object error_of_run(const Ran& ran) {
  const auto value = boost::json::parse(ran.out);
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << ran.out;
  return value.at("error").as_object();
}

}  // namespace memseal::test
