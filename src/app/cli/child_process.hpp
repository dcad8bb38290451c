#pragma once
// Programs of others, such as pg_dump, run as children.
#include "base/result.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::app {

struct ChildRun {
  std::vector<std::string> words;  ///< the program's path and its arguments: no secrets
  /// Added to this process's environment, without memseal's own variables.
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::filesystem::path output = {};        ///< of stdout; empty: dropped
  std::filesystem::path complaints;         ///< of stderr
  std::function<void()> meanwhile = {};     ///< called a few times a second
};

/// Runs a program to its end. What it makes is readable by this user alone.
/// Error: internal, with the program's first complaint, where it did not end with status 0.
/// Throws Outage{cancelled} where the process was asked to end; the child is ended first.
Result<void> run_child(const ChildRun& run);

/// While it lives, SIGINT, SIGTERM and SIGHUP do not end the process: run_child() and
/// throw_if_interrupted() throw instead, so that what was begun is cleaned up. A signal that was
/// ignored before stays ignored.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
};

/// Whether a signal came. REQUIRES: an Interruptible lives.
bool was_interrupted() noexcept;
/// Throws Outage{cancelled} after a signal. REQUIRES: an Interruptible lives.
void throw_if_interrupted();

/// Waits; returns false at once after a signal. REQUIRES: an Interruptible lives.
bool wait_until(std::chrono::steady_clock::time_point time);

/// The path of one of PostgreSQL's programs of version `major`: where Debian keeps each version
/// apart, or in PATH. Error: bad_config, which says what to install.
Result<std::filesystem::path> find_postgres_program(const std::string& name, int major);

}  // namespace memseal::app
