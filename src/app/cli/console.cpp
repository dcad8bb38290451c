#include "app/cli/console.hpp"

#include "app/cli/terminal_text.hpp"
#include "pure/codec/json.hpp"

#include <boost/json/array.hpp>
#include <boost/system/system_error.hpp>

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <ios>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::size_t sentence_bytes_max = 4'000;

/// What --json prints of a failed run. A process runs one command at a time.
struct Run {
  struct Complaint {
    Error error;
    json::object members;
  };
  std::vector<Complaint> complaints;
  std::vector<std::string> hints;
  bool reported = false;
  bool quiet = false;
};

Run& this_run() {
  static Run run;
  return run;
}

void say(const std::string& sentence) {
  std::fprintf(stderr, "memseal: %s\n", one_line(sentence, sentence_bytes_max).c_str());
}

json::object to_json(const Error& error, const json::object& members = {}) {
  json::object object{{"code", errc_name(error.code)}, {"message", error.message}};
  if (!error.field.empty()) object["field"] = error.field;
  for (const auto& [name, value] : members) object[name] = value;
  return object;
}

json::object error_object(const Run& run, int code) {
  if (run.complaints.empty())
    return {{"code", errc_name(Errc::internal)},
            {"message", "the command failed; its log names the cause"},
            {"exit_code", code}};
  const auto& first = run.complaints.front();
  auto object = to_json(first.error, first.members);
  object["exit_code"] = code;
  if (!run.hints.empty()) object["hints"] = json::array(run.hints.begin(), run.hints.end());
  if (run.complaints.size() > 1) {
    json::array all;
    for (const auto& one : run.complaints) all.push_back(to_json(one.error, one.members));
    object["errors"] = std::move(all);
  }
  return object;
}

bool reader_is_gone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace

void print_json(const json::value& value) {
  std::printf("%s\n", escape_controls(codec::compact_json(value)).c_str());
}

void complain(const Error& error, json::object members) {
  say(error.message);
  this_run().complaints.push_back({error, std::move(members)});
}

void complain(const Error& error) { complain(error, {}); }

void hint(const std::string& sentence) {
  if (!this_run().quiet) say(sentence);
  this_run().hints.push_back(sentence);
}

int print_failed_report(json::object report, const Error& error, int code) {
  report["error"] = to_json(error, {{"exit_code", code}});
  print_json(report);
  this_run().reported = true;
  return code;
}

int finish_report(const GlobalOptions& global, json::object report,
                  const std::optional<Error>& fault, int code) {
  if (!fault) {
    if (global.json) print_json(report);
    return exit_ok;
  }
  if (global.json) return print_failed_report(std::move(report), *fault, code);
  complain(*fault);
  return code;
}

namespace {

constexpr const char* unexpected =
    "an error that memseal did not expect; please report it, with what --json says of it";

std::string said_by(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& failed) {
    return failed.what();
  } catch (...) {
    return "of a type that is no std::exception";
  }
}

}  // namespace

Error error_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Failure& failed) {
    return failed.error();
  } catch (const std::filesystem::filesystem_error& failed) {
    const auto& place = failed.path1();
    return {Errc::bad_config, "cannot use " + (place.empty() ? "a file" : place.string()) + ": " +
                                  failed.code().message()};
  } catch (const std::ios_base::failure&) {
    return {Errc::bad_config, "a file cannot be read or written to its end"};
  } catch (const boost::system::system_error& failed) {
    return {Errc::internal, failed.code().message()};
  } catch (const std::system_error& failed) {
    return {Errc::internal, failed.code().message()};
  } catch (const std::bad_alloc&) {
    return {Errc::internal, "there is not enough memory"};
  } catch (...) {
    return {Errc::internal, unexpected};
  }
}

void complain_of(const std::exception_ptr& thrown) {
  const auto error = error_of(thrown);
  json::object members;
  // What a library says of itself is for whoever mends this, not for whoever typed the command.
  if (error.message == unexpected) members["cause"] = said_by(thrown);
  complain(error, std::move(members));
}

bool shows_progress(const GlobalOptions& global) {
  return !global.quiet && ::isatty(STDERR_FILENO) != 0;
}

void begin_run(bool quiet) {
  this_run() = {};
  this_run().quiet = quiet;
  std::clearerr(stdout);
}

int end_run(bool as_json, int code) {
  const auto& run = this_run();
  if (as_json && code != exit_ok && !run.reported)
    print_json(json::object{{"error", error_object(run, code)}});
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  auto cause = errno;
  if (written || reader_is_gone()) return code;
  // An earlier write failed, and its cause is gone: one more byte of the broken output finds it.
  if (cause == 0 && ::write(STDOUT_FILENO, "\n", 1) < 0) cause = errno;
  say("cannot write the output" +
      (cause == 0 ? std::string() : ": " + std::generic_category().message(cause)));
  return code == exit_ok ? exit_failed : code;
}

}  // namespace memseal::app
