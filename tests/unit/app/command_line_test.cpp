// The command line as a whole: words that it does not know, JSON, texts of libraries.
#include "app/cli/console.hpp"
#include "support/contains.hpp"
#include "support/run_program.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace memseal::app {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

using test::contains, test::error_of_run;
using test::run_json, test::run_program;
using Words = std::vector<std::string>;

TEST(CommandLine, KnowsItsFlagsInAllSpellings) {
  const auto ran = run_program({"--json=true", "token", "mint", "--user", "a", "--frobnicate"});
  EXPECT_EQ(error_of_run(ran).at("exit_code"), exit_usage);
  EXPECT_FALSE(error_of_run(ran).at("hints").as_array().empty());
  const auto quiet = run_program({"--quiet", "token", "mint", "--user", "a", "--frobnicate"});
  EXPECT_EQ(quiet.err, "memseal: memseal token mint has no option --frobnicate\n");
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
    const auto ran = run_json(words);
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
    const auto ran = run_json(words);
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
