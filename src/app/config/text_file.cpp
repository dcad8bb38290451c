#include "app/config/text_file.hpp"

#include "base/on_exit.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace memseal::app {

namespace {

constexpr int pipe_patience_ms = 5'000;

Error refused(const char* verb, const std::filesystem::path& file, const std::string& cause) {
  return {Errc::bad_config, std::string("cannot ") + verb + " " + file.string() + ": " + cause};
}

Error unreadable(const std::filesystem::path& file, const std::string& cause) {
  return refused("read", file, cause);
}

// The descriptor does not block, so that a pipe without a writer does not stop the process.
bool wait_for_bytes(int handle) {
  pollfd waited{handle, POLLIN, 0};
  return ::poll(&waited, 1, pipe_patience_ms) > 0;
}

Result<std::string> read_all(const std::filesystem::path& file, int handle, std::size_t bytes_max,
                             bool pipe) {
  std::string text;
  char block[4'096];
  for (;;) {
    if (pipe && !wait_for_bytes(handle)) return unreadable(file, "nothing writes to this pipe");
    const auto got = ::read(handle, block, sizeof block);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return unreadable(file, std::strerror(errno));
    if (got == 0) return text;
    text.append(block, static_cast<std::size_t>(got));
    // A device such as /dev/zero never ends.
    if (text.size() > bytes_max)
      return unreadable(file, "longer than " + std::to_string(bytes_max) + " bytes");
  }
}

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& file, std::size_t bytes_max) {
  // O_NONBLOCK, because open() of a pipe waits for a writer otherwise. The checks look at the open
  // descriptor, so the file cannot be exchanged in between.
  const int handle = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (handle < 0) return unreadable(file, std::strerror(errno));
  const OnExit close_it([&] { ::close(handle); });
  struct stat status {};
  if (::fstat(handle, &status) != 0) return unreadable(file, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return unreadable(file, "it is a directory, not a file");
  return read_all(file, handle, bytes_max, S_ISFIFO(status.st_mode));
}

Result<void> write_new_file(const std::filesystem::path& file, std::string_view text) {
  // O_EXCL neither overwrites a file nor follows a link to one.
  const int handle = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (handle < 0 && errno == EEXIST)
    return Error{Errc::bad_config,
                 file.string() + " exists already; memseal does not overwrite it"};
  if (handle < 0) return refused("write", file, std::strerror(errno));
  while (!text.empty()) {
    const auto written = ::write(handle, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      auto failure = refused("write", file, std::strerror(errno));
      ::close(handle);
      // Half a file would be taken for a whole one, and would stand in the way of the next try.
      ::unlink(file.c_str());
      return failure;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::close(handle) != 0) return refused("write", file, std::strerror(errno));
  return {};
}

}  // namespace memseal::app
