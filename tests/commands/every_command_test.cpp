// What holds for every command: help, refusals, JSON, a full disk. A new command is covered by
// itself, because the tests read the command table.
#include "app/cli/command_table.hpp"
#include "support/contains.hpp"
#include "support/run_program.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

namespace memseal::app {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

using test::contains, test::error_of_run;
using test::Ran, test::run_program;
using Words = std::vector<std::string>;

/// "memseal keys init" as {"keys", "init"}.
Words words_of(const CommandInfo& command) {
  std::istringstream in(command.path);
  Words words;
  for (std::string word; in >> word;) words.push_back(word);
  words.erase(words.begin());
  return words;
}

Words plus(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Runs the program with stdout at `handle`, which is closed.
Ran run_into(int handle, const Words& words) {
  std::fflush(stdout);
  const int kept = ::dup(STDOUT_FILENO);
  testing::internal::CaptureStderr();
  ::dup2(handle, STDOUT_FILENO);
  ::close(handle);
  auto all = plus({"memseal"}, words);
  std::vector<char*> argv;
  for (auto& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  Ran ran;
  ran.code = run_cli(static_cast<int>(all.size()), argv.data());
  std::clearerr(stdout);
  ::dup2(kept, STDOUT_FILENO);
  ::close(kept);
  ran.err = testing::internal::GetCapturedStderr();
  return ran;
}

int full_disk() { return ::open("/dev/full", O_WRONLY | O_CLOEXEC); }

TEST(EveryCommand, HasHelpThatFitsATerminal) {
  const auto all = list_commands();
  ASSERT_GT(all.size(), 20u);
  for (const auto& command : all) {
    const auto ran = run_program(plus(words_of(command), {"--help"}));
    EXPECT_EQ(ran.code, 0) << command.path;
    EXPECT_EQ(ran.err, "") << command.path;
    EXPECT_TRUE(contains(ran.out, "\nUsage: " + command.path + " [OPTION...]")) << ran.out;
    EXPECT_TRUE(contains(ran.out, "\nOptions of every command:\n")) << ran.out;
    EXPECT_TRUE(contains(ran.out, "--config FILE")) << ran.out;
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80u) << command.path << ": " << line;
      EXPECT_FALSE(line.ends_with(' ')) << command.path << ": " << line;
    }
    EXPECT_EQ(run_program(plus({"help"}, words_of(command))).out, ran.out);
  }
}

TEST(EveryCommand, PrintsItsHelpAsJson) {
  for (const auto& command : list_commands()) {
    const auto ran = run_program(plus({"--json"}, plus(words_of(command), {"--help"})));
    EXPECT_EQ(ran.code, exit_ok) << command.path;
    EXPECT_TRUE(contains(std::string(json::parse(ran.out).at("help").as_string()),
                         "Usage: " + command.path));
  }
  const auto version = run_program({"--json", "--version"});
  EXPECT_EQ(version.out, run_program({"--json", "version"}).out);
}

TEST(EveryCommand, HasExamplesOfItselfAlone) {
  for (const auto& command : list_commands()) {
    if (command.is_group()) continue;
    EXPECT_FALSE(command.examples.empty()) << command.path;
    EXPECT_FALSE(contains(command.notes, "First steps")) << command.path;
    for (const auto& example : command.examples)
      EXPECT_TRUE(contains(example, command.path)) << example;
  }
}

TEST(EveryCommand, ExplainsItsOptionsAndArguments) {
  for (const auto& command : list_commands()) {
    EXPECT_FALSE(command.summary.empty()) << command.path;
    for (const auto* list : {&command.options, &command.arguments})
      for (const auto& option : *list)
        EXPECT_FALSE(option.help.empty()) << command.path << " " << option.names.front();
  }
}

TEST(EveryCommand, NamesAnOptionThatItDoesNotKnow) {
  for (const auto& command : list_commands()) {
    const auto ran = run_program(plus(words_of(command), {"--frobnicate=secret"}));
    EXPECT_EQ(ran.code, exit_usage) << command.path;
    EXPECT_EQ(ran.out, "") << command.path;
    EXPECT_EQ(ran.err, "memseal: " + command.path + " has no option --frobnicate\n" +
                           "memseal: see `" + command.path + " --help`\n");
    const auto near = run_program(plus(words_of(command), {"--confg=x"}));
    EXPECT_TRUE(contains(near.err, "has no option --confg; did you mean --config?")) << near.err;
  }
}

TEST(EveryCommand, FailsInOneJsonObject) {
  for (const auto& command : list_commands())
    for (const bool first : {true, false}) {
      const Words wrong{"--frobnicate"};
      const auto words = plus(words_of(command), wrong);
      const auto ran = run_program(first ? plus({"--json"}, words) : plus(words, {"--json"}));
      EXPECT_EQ(ran.code, exit_usage) << command.path;
      const auto error = error_of_run(ran);
      EXPECT_EQ(error.at("code"), "bad_request");
      EXPECT_EQ(error.at("message").as_string(), command.path + " has no option --frobnicate");
      EXPECT_EQ(error.at("exit_code"), exit_usage);
      EXPECT_EQ(error.at("hints").at(0).as_string(), "see `" + command.path + " --help`");
    }
}

TEST(EveryCommand, FailsWhenItsOutputCannotBeWritten) {
  for (const auto& command : list_commands()) {
    const auto help = run_into(full_disk(), plus(words_of(command), {"--help"}));
    EXPECT_EQ(help.code, exit_failed) << command.path;
    EXPECT_EQ(help.err, "memseal: cannot write the output: No space left on device\n");
    const auto failure = run_into(full_disk(), plus(words_of(command), {"--json", "--frobnicate"}));
    EXPECT_EQ(failure.code, exit_usage) << command.path;
    EXPECT_TRUE(contains(failure.err, "cannot write the output")) << failure.err;
  }
  const Words printing[] = {{"version"},
                            {"config", "show"},
                            {"config", "table"},
                            {"config", "init"},
                            {"config", "check"},
                            {"completion", "bash"},
                            {"man"},
                            {"--json", "version"},
                            {"models", "list"},
                            {"--version"},
                            {"config", "show", "--json"}};
  for (const auto& words : printing) {
    const auto ran = run_into(full_disk(), words);
    EXPECT_EQ(ran.code, exit_failed) << words.front();
    EXPECT_TRUE(contains(ran.err, "the output: No space left on device\n")) << ran.err;
  }
}

TEST(EveryCommand, EndsQuietlyWhenItsReaderHasEnough) {
  for (const Words& words : {Words{"version"}, {"config", "table"}, {"man"}, {"--help"}}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    ::close(ends[0]);
    const auto ran = run_into(ends[1], words);
    EXPECT_EQ(ran.code, exit_ok) << words.front();
    EXPECT_EQ(ran.err, "") << words.front();
  }
}

TEST(EveryCommand, HasAPageOfTheManual) {
  const test::TempDirectory directory;
  const auto place = directory / "man";
  const auto ran = run_program({"--json", "man", "--dir", place.string()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto all = list_commands();
  EXPECT_EQ(json::parse(ran.out).at("files").as_array().size(), all.size());
  for (const auto& command : all) {
    auto name = command.path + ".1";
    std::replace(name.begin(), name.end(), ' ', '-');
    std::ifstream in(place / name);
    const std::string page{std::istreambuf_iterator<char>(in), {}};
    EXPECT_TRUE(page.starts_with(".TH MEMSEAL")) << name;
    std::size_t at = 0;
    for (const std::string head :
         {"NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"}) {
      const auto next = page.find("\n.SH " + head + "\n", at);
      EXPECT_NE(next, page.npos) << name << ": " << head;
      at = std::min(next, page.size());
    }
  }
  EXPECT_TRUE(run_program({"man"}).out.starts_with(".TH MEMSEAL 1"));
}

TEST(EveryCommand, IsInTheCompletionsOfEveryShell) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const auto script = run_program({"completion", shell});
    EXPECT_EQ(script.code, 0) << script.err;
    for (const auto& command : list_commands()) {
      EXPECT_TRUE(contains(script.out, command.path)) << shell << ": " << command.path;
      for (const auto& option : command.options) {
        const auto& name = option.names.back();
        const auto spelled = shell == "fish" ? "-l " + name.substr(2) : name;
        EXPECT_TRUE(contains(script.out, spelled)) << shell << ": " << command.path << " " << name;
      }
    }
  }
}

}  // namespace
}  // namespace memseal::app
