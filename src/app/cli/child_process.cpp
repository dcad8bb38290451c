#include "app/cli/child_process.hpp"

#include "app/config/config.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

constexpr int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
// All that a signal handler may do safely is to set such a variable.
volatile std::sig_atomic_t stop_asked = 0;
struct sigaction before[std::size(stop_signals)];

extern "C" void ask_to_stop(int) { stop_asked = 1; }

/// What nohup and the like do, so that the process outlives its terminal.
bool is_ignored(int signal) {
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler == SIG_IGN;
}

/// "NAME=value" of everything the child gets.
std::vector<std::string> environment_of(const ChildRun& run) {
  std::map<std::string, std::string> all;
  for (auto& [name, value] : process_environment())
    // Keys and passwords of memseal are no business of the child's, nor is the token of a receiver
    // of traces.
    if (!name.starts_with("MEMSEAL") && !name.starts_with("MEMORY_") && !name.starts_with("OTEL_"))
      all[name] = value;
  all["LC_ALL"] = "C";
  for (const auto& [name, value] : run.environment) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

void redirect(const fs::path& file, int to) {
  const char* path = file.empty() ? "/dev/null" : file.c_str();
  const int out = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0 || ::dup2(out, to) < 0) _exit(126);
}

pid_t start_child(const ChildRun& run) {
  auto words = run.words;
  auto lines = environment_of(run);
  const auto arguments = pointers_to(words), environment = pointers_to(lines);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) return child;
  // Dies with its parent, also by SIGKILL.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // The parent may have died between fork() and prctl(), and then no signal will come.
  if (::getppid() != parent) _exit(126);
  for (const int signal : stop_signals)
    if (!is_ignored(signal)) ::signal(signal, SIG_DFL);
  ::umask(077);
  redirect(run.output, STDOUT_FILENO);
  redirect(run.complaints, STDERR_FILENO);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0) _exit(126);
  ::execve(arguments[0], arguments.data(), environment.data());
  _exit(127);
}

void pause_for_a_moment() {
  timespec time{0, 50'000'000};
  ::nanosleep(&time, nullptr);
}

/// What a program said first, without its own name.
std::string first_complaint(const fs::path& complaints) {
  std::ifstream file(complaints);
  std::string line, first;
  while (std::getline(file, line))
    // PostgreSQL's programs print notices first; the line that names an error is the cause.
    if (first.empty() || (first.find("error") == std::string::npos &&
                          line.find("error") != std::string::npos))
      first = line;
  return first.empty() ? "it gave no cause" : first;
}

bool is_of_major(const fs::path& program, int major) {
  const auto command = program.string() + " --version 2>/dev/null";
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return false;
  char line[200] = {};
  const bool read = std::fgets(line, sizeof line, pipe) != nullptr;
  ::pclose(pipe);
  const std::string text = read ? line : "";
  const auto number = text.find(") ");
  return number != std::string::npos && std::atoi(text.c_str() + number + 2) == major;
}

}  // namespace

Interruptible::Interruptible() {
  stop_asked = 0;
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  for (std::size_t i = 0; i < std::size(stop_signals); ++i)
    ::sigaction(stop_signals[i], is_ignored(stop_signals[i]) ? nullptr : &action, &before[i]);
}

Interruptible::~Interruptible() {
  for (std::size_t i = 0; i < std::size(stop_signals); ++i)
    ::sigaction(stop_signals[i], &before[i], nullptr);
}

bool was_interrupted() noexcept { return stop_asked != 0; }

void throw_if_interrupted() {
  if (stop_asked) throw Outage({Errc::cancelled, "stopped by a signal; nothing was kept"});
}

bool wait_until(std::chrono::steady_clock::time_point time) {
  while (!stop_asked && std::chrono::steady_clock::now() < time) pause_for_a_moment();
  return !stop_asked;
}

Result<void> run_child(const ChildRun& run) {
  const pid_t child = start_child(run);
  if (child < 0) return Error{Errc::internal, "cannot start " + run.words.front()};
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) break;
    if (ended < 0 && errno != EINTR) return Error{Errc::internal, "a child was lost"};
    if (stop_asked) {
      ::kill(child, SIGTERM);
      ::waitpid(child, &status, 0);
      throw_if_interrupted();
    }
    if (run.meanwhile) run.meanwhile();
    pause_for_a_moment();
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  throw_if_interrupted();
  const auto name = fs::path(run.words.front()).filename().string();
  if (WIFSIGNALED(status))
    return Error{Errc::internal, name + " was killed by signal " +
                                     std::to_string(WTERMSIG(status))};
  return Error{Errc::internal, name + " failed: " + first_complaint(run.complaints)};
}

Result<fs::path> find_postgres_program(const std::string& name, int major) {
  const auto version = std::to_string(major);
  // pg_dump refuses a server that is newer than itself, and Debian's wrapper in /usr/bin chooses a
  // version by the cluster. So the program of the server's own version is named.
  const fs::path debian = fs::path("/usr/lib/postgresql") / version / "bin" / name;
  std::error_code ignored;
  if (fs::exists(debian, ignored)) return debian;
  std::istringstream folders;
  for (const auto& [variable, value] : process_environment())
    if (variable == "PATH") folders.str(value);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto program = fs::path(folder) / name;
    if (fs::exists(program, ignored) && is_of_major(program, major)) return program;
  }
  return Error{Errc::bad_config, "no " + name + " of PostgreSQL " + version +
                                     " is installed: install postgresql-client-" + version};
}

}  // namespace memseal::app
