// What holds for every command: help, refusals, JSON, a full disk. A new command is covered by
// itself, because the tests read the command table.
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "support/contains.hpp"
#include "support/run_program.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

namespace memseal::app {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

using test::contains;
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

/// The error object of a run with --json: it stands alone on stdout.
json::object error_of_run(const Ran& ran) {
  const auto value = json::parse(ran.out);
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << ran.out;
  return value.at("error").as_object();
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

TEST(CommandLine, KnowsItsFlagsInAllSpellings) {
  const auto ran = run_program({"--json=true", "token", "mint", "--user", "a", "--frobnicate"});
  EXPECT_EQ(error_of_run(ran).at("exit_code"), exit_usage);
  EXPECT_FALSE(error_of_run(ran).at("hints").as_array().empty());
  const auto quiet = run_program({"--quiet", "token", "mint", "--user", "a", "--frobnicate"});
  EXPECT_EQ(quiet.err, "memseal: memseal token mint has no option --frobnicate\n");
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

TEST(CommandLine, WithoutAWordPrintsHelp) {
  const auto bare = run_program({});
  EXPECT_EQ(bare.code, exit_usage);
  EXPECT_EQ(bare.out, "");
  EXPECT_TRUE(contains(bare.err, "\nCommands:\n")) << bare.err;
  EXPECT_TRUE(contains(bare.err, "memseal dev ")) << bare.err;
  const auto group = run_program({"keys"});
  EXPECT_EQ(group.code, exit_usage);
  EXPECT_TRUE(contains(group.err, "Usage: memseal keys [OPTION...] COMMAND\n")) << group.err;
  EXPECT_TRUE(contains(group.err, "memseal: memseal keys needs a command: init")) << group.err;
  EXPECT_EQ(error_of_run(run_program({"--json"})).at("exit_code"), exit_usage);
}

TEST(CommandLine, NamesAnUnknownWordAndTheOneThatItResembles) {
  const struct {
    Words words;
    std::string sentence;
  } rows[] = {
      {{"qurey", "x"}, "memseal has no command \"qurey\"; did you mean query?"},
      {{"qurey", "--help"}, "memseal has no command \"qurey\"; did you mean query?"},
      {{"--json", "frobnicate"}, "memseal has no command \"frobnicate\""},
      {{"keys", "int"}, "memseal keys has no command \"int\"; did you mean init?"},
      {{"help", "qurey"}, "memseal has no command \"qurey\"; did you mean query?"},
      {{"help", "keys", "int"}, "memseal keys has no command \"int\"; did you mean init?"},
      {{"publish", "uplaod", "--user", "a", "f"},
       "memseal publish has no command \"uplaod\"; did you mean upload?"},
      {{"query", "--tpo-k", "3", "x"},
       "memseal query has no option --tpo-k; did you mean --top-k?"},
      {{"publish", "upload", "--usr", "a", "f"},
       "memseal publish upload has no option --usr; did you mean --user?"},
      {{"publish", "--user", "a", "upload", "f"},
       "--user stands after its command, as in `memseal publish upload --user`"},
      {{"version", "now"}, "memseal version does not take the word \"now\""},
      {{"version", "\x1b[31m"}, "memseal version does not take the word \"[31m\""},
      {{"query"}, "memseal query needs text: The question; several words are joined by spaces"},
      {{"token", "mint"}, "memseal token mint needs --user"},
      {{"query", "x", "--top-k"}, "--top-k needs a value"},
      {{"query", "x", "--top-k", "nine"}, "--top-k must be from 1 to 100, not \"nine\""},
      {{"query", "x", "--source", "chta"}, "--source must be one of chat,upload,api, not \"chta\""},
      {{"completion", "tcsh"}, "shell must be one of bash,zsh,fish, not \"tcsh\""},
      {{"migrate", "plan", "--to", "x"}, "--to cannot be \"x\""},
      {{"--set", "nonsense", "config", "check"}, "--set takes key=value, not \"nonsense\""}};
  for (const auto& [words, sentence] : rows) {
    const auto ran = run_program(words);
    EXPECT_EQ(ran.code, exit_usage) << sentence;
    EXPECT_TRUE(contains(ran.err, "memseal: " + sentence + "\n")) << ran.err;
    EXPECT_FALSE(contains(ran.err, "\x1b")) << ran.err;
    EXPECT_FALSE(contains(ran.err, "Run with --help")) << ran.err;
  }
}

TEST(CommandLine, NoTextOfTheLibraryReachesAPerson) {
  const test::TempDirectory directory;
  const auto place = directory.path().string(), file = place + "/file";
  std::ofstream(file) << "x";
  const std::string dsn = "postgres.migrate_dsn=postgresql://x@127.0.0.1:1/x";
  const Words rows[] = {{"-c", place, "config", "check"},
                        {"-c", file + "/x", "config", "show"},
                        {"keys", "init", place},
                        {"keys", "init", file + "/below"},
                        {"config", "init", file + "/below"},
                        {"man", "--dir", file},
                        {"man", "--dir", file + "/below"},
                        {"models", "show", place},
                        {"models", "show", file + "/below"},
                        {"models", "verify", "./" + std::string(300, 'x')},
                        {"migrate", "status", "--set", dsn, "--dir", file},
                        {"migrate", "status", "--set", dsn, "--dir", file + "/below"},
                        {"migrate", "down", "--set", dsn, "--app-password-file", place},
                        {"backup", "create", "--set", dsn, "--out", file + "/below"},
                        {"backup", "restore", "--set", dsn, place},
                        {"query", "x", "--token-file", place}};
  for (const auto& words : rows) {
    const auto ran = run_program(plus({"--json"}, words));
    EXPECT_NE(ran.code, 0) << words.front();
    EXPECT_TRUE(ran.err.starts_with("memseal: ")) << ran.err;
    for (const std::string bad : {"std::", "basic_", "filesystem error", "what()", "iostream"})
      EXPECT_FALSE(contains(ran.err, bad)) << ran.err;
    const auto error = error_of_run(ran);
    EXPECT_FALSE(error.at("message").as_string().empty()) << ran.out;
    EXPECT_EQ(error.at("exit_code"), ran.code) << ran.out;
  }
}

template <class Exception>
Error translated(const Exception& thrown) {
  return error_of(std::make_exception_ptr(thrown));
}

TEST(CommandLine, AnExceptionBecomesASentence) {
  const auto denied = std::make_error_code(std::errc::permission_denied);
  EXPECT_EQ(translated(fs::filesystem_error("status", "/keys/ring", denied)).message,
            "cannot use /keys/ring: Permission denied");
  EXPECT_EQ(translated(fs::filesystem_error("cwd", denied)).message,
            "cannot use a file: Permission denied");
  EXPECT_EQ(translated(std::ios_base::failure("basic_filebuf::underflow error")).message,
            "a file cannot be read or written to its end");
  EXPECT_EQ(translated(std::system_error(denied, "std::thread")).message, "Permission denied");
  EXPECT_EQ(translated(boost::system::system_error(boost::system::errc::make_error_code(
                           boost::system::errc::address_in_use)))
                .message,
            "Address already in use");
  EXPECT_EQ(translated(std::bad_alloc()).message, "there is not enough memory");
  EXPECT_EQ(translated(Refused({Errc::not_migrated, "run migrate"})),
            (Error{Errc::not_migrated, "run migrate"}));
  EXPECT_EQ(translated(std::out_of_range("map::at")).message,
            "an error that memseal did not expect; please report it, with what --json says of it");
  EXPECT_EQ(translated(7).message, translated(std::out_of_range("map::at")).message);
}

TEST(CommandLine, JsonHoldsEveryProblemOfAConfiguration) {
  const auto ran = run_program({"--json", "token", "mint", "--user", "a", "--set", "no.such=1",
                                "--set", "chunk.tokens=9999"});
  EXPECT_EQ(ran.code, exit_usage);
  const auto error = error_of_run(ran);
  EXPECT_EQ(error.at("code"), "bad_config");
  EXPECT_EQ(error.at("field"), "no.such");
  ASSERT_EQ(error.at("errors").as_array().size(), 2u);
  EXPECT_EQ(error.at("errors").at(1).at("field"), "chunk.tokens");
}

TEST(CommandLine, SuccessIsOneJsonValueToo) {
  const test::TempDirectory place;
  const Words rows[] = {{"version"},
                        {"config", "show"},
                        {"config", "check"},
                        {"config", "table"},
                        {"config", "init"},
                        {"config", "init", (place / "yaml").string()},
                        {"keys", "init", (place / "keyring").string()},
                        {"completion", "fish"},
                        {"help"},
                        {"man"},
                        {"models", "list"}};
  for (const auto& words : rows) {
    const auto ran = run_program(plus({"--json"}, words));
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_NO_THROW(json::parse(ran.out)) << words.front() << ": " << ran.out;
    EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << words.front();
  }
}

TEST(CommandLine, NumbersInJsonAreThoseOfPeople) {
  testing::internal::CaptureStdout();
  print_json(json::object{{"score", 0.149959}, {"count", 3}, {"ms", 1500.25}});
  std::fflush(stdout);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "{\"score\":0.149959,\"count\":3,\"ms\":1500.25}\n");
}

}  // namespace
}  // namespace memseal::app
