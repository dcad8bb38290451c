#include "adapters/extractor/internal/helper_process.hpp"

#include "base/fd.hpp"
#include "base/on_exit.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace memseal::extractor {

namespace {

using Clock = std::chrono::steady_clock;

/// Starts the program. By exec, and not by fork alone: a fork would have a copy of the keys.
/// Returns 0, or errno.
int start(const std::filesystem::path& program, int file, int output, pid_t& child) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  if (::posix_spawn_file_actions_init(&files) != 0) return ENOMEM;
  const OnExit destroy_files([&] { ::posix_spawn_file_actions_destroy(&files); });
  if (::posix_spawnattr_init(&how) != 0) return ENOMEM;
  const OnExit destroy_how([&] { ::posix_spawnattr_destroy(&how); });
  sigset_t all, none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  const int faults =
      ::posix_spawn_file_actions_adddup2(&files, file, STDIN_FILENO) |
      ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO) |
      ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) |
      ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1) |
      ::posix_spawnattr_setflags(
          &how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK) |
      ::posix_spawnattr_setpgroup(&how, 0) | ::posix_spawnattr_setsigdefault(&how, &all) |
      ::posix_spawnattr_setsigmask(&how, &none);
  if (faults != 0) return ENOMEM;
  char name[] = "memseal-extract";
  char* const arguments[] = {name, nullptr};
  char* const no_environment[] = {nullptr};
  return ::posix_spawn(&child, program.c_str(), &files, &how, arguments, no_environment);
}

/// True: the time is over.
bool read_all(int output, Clock::time_point until, FrameReader& reader,
              const std::stop_token& stop) {
  char piece[65'536];
  while (!stop.stop_requested()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return true;
    pollfd ready{output, POLLIN, 0};
    const int found = ::poll(&ready, 1, static_cast<int>(left.count()) + 1);
    if (found == 0 || (found < 0 && errno == EINTR)) continue;
    const auto size = ::read(output, piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    const auto state = reader.take({piece, static_cast<std::size_t>(size)});
    if (state == FrameReader::State::broken || state == FrameReader::State::too_large) return false;
  }
  return false;
}

int reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return status;
}

}  // namespace

RunEnd run_helper(const std::filesystem::path& program, int file, std::chrono::milliseconds time,
                  FrameReader& reader, std::stop_token stop) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {.start_error = errno};
  const Fd output(ends[0]);
  Fd input(ends[1]);
  pid_t child = -1;
  RunEnd end{.start_error = start(program, file, input.get(), child)};
  input.close();
  if (end.start_error != 0) return end;
  {
    // Until the child is reaped its number is no other process's.
    const std::stop_callback kill_early(stop, [child] { ::kill(-child, SIGKILL); });
    end.timed_out = read_all(output.get(), Clock::now() + time, reader, stop);
  }
  ::kill(-child, SIGKILL);
  const int status = reap(child);
  if (status >= 0 && WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  if (status >= 0 && WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  return end;
}

}  // namespace memseal::extractor
