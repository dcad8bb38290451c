#pragma once
// What every command says besides its own text: errors, hints, JSON, and how a run ends.
// Data goes to stdout, sentences for people go to stderr. With --json stdout holds JSON alone: the
// data, or `{"error": {…}}` when the command failed. docs/command-line.md is the contract.
#include "app/cli/commands.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <exception>
#include <optional>
#include <string>

namespace memseal::app {

/// Prints `value` on one line of stdout. Characters that command a terminal are escaped.
void print_json(const boost::json::value& value);

/// Prints "memseal: <message>" to stderr. `members` join code and message in the error object.
void complain(const Error& error, boost::json::object members);

/// Prints "memseal: <sentence>", which says more about the last error; nothing with --quiet.
void hint(const std::string& sentence);

/// Prints a report that tells a failure by itself, with `error` as a member: --json then prints no
/// other object. The report goes to stdout, `error` is not printed to stderr. Returns `code`.
int print_failed_report(boost::json::object report, const Error& error, int code);
/// Ends a command that has judged something and has shown it. Prints the report with --json, and
/// `fault` either in it or as a complaint. Returns `code` with a fault, else exit_ok.
int finish_report(const GlobalOptions& global, boost::json::object report,
                  const std::optional<Error>& fault, int code);

/// The one place that turns an exception into a sentence for people.
Error error_of(const std::exception_ptr& thrown);

/// Prints that sentence. With --json an error that nobody expected has its `cause` too.
void complain_of(const std::exception_ptr& thrown);

/// Whether progress may be shown: on a terminal, without --quiet.
bool shows_progress(const GlobalOptions& global);

/// Forgets the errors of an earlier run of this process. `quiet`: print no hints.
void begin_run(bool quiet);

/// Ends a run: prints the error object if `as_json`, and writes out what stdout still buffers.
/// Returns the exit code: `code`, or exit_failed if the output could not be written. A reader that
/// closed its end (`| head`) has what it wanted, so that is no failure.
int end_run(bool as_json, int code);

}  // namespace memseal::app
