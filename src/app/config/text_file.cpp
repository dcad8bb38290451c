#include "app/config/text_file.hpp"

#include "base/fd.hpp"
#include "base/secret.hpp"
#include "pure/crypto/secret_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>

namespace memseal::app {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience(5);

Error refused(const char* verb, const std::filesystem::path& file, const std::string& cause) {
  return {Errc::bad_config, std::string("cannot ") + verb + " " + file.string() + ": " + cause};
}

Error unreadable(const std::filesystem::path& file, const std::string& cause) {
  return refused("read", file, cause);
}

// What an open descriptor is, as far as it decides how its bytes arrive.
enum class Source {
  plain,     // a file: its bytes are there
  pipe,      // a writer may come, and may come late
  terminal,  // a person types: waited for without a limit, as `cat` does
  device,    // any other
};

Source source_of(int handle, const struct stat& status) {
  if (S_ISREG(status.st_mode)) return Source::plain;
  if (S_ISFIFO(status.st_mode)) return Source::pipe;
  return ::isatty(handle) == 1 ? Source::terminal : Source::device;
}

// The descriptor does not block, so that a pipe without a writer does not stop the process. False:
// nothing came within the patience.
bool wait_for_bytes(int handle, Source source) {
  const auto until = Clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waited{handle, POLLIN, 0};
    const int ready = ::poll(&waited, 1, source == Source::terminal
                                             ? -1
                                             : static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return true;
    // A signal is no answer: the wait goes on for the time that is left.
    if (ready == 0 || errno != EINTR) return false;
  }
}

// How long a pipe may stay silent whose writer is there.
enum class SlowWriter { refused, awaited };

std::string silence_of(Source source) {
  return source == Source::pipe ? "nothing writes to this pipe" : "this device gives no bytes";
}

// At most a block more than `bytes_max`.
Result<std::string> read_start(const std::filesystem::path& file, int handle,
                               std::size_t bytes_max, Source source, SlowWriter slow) {
  std::string text;
  char block[4'096];
  // A device such as /dev/zero never ends.
  while (text.size() <= bytes_max) {
    const bool silent = source != Source::plain && !wait_for_bytes(handle, source);
    const bool may_wait = source == Source::pipe && slow == SlowWriter::awaited;
    if (silent && !may_wait) return unreadable(file, silence_of(source));
    const auto got = ::read(handle, block, sizeof block);
    // A pipe without a writer reads as its end, a silent one as EAGAIN.
    if (got == 0 && silent) return unreadable(file, silence_of(source));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return unreadable(file, std::strerror(errno));
    if (got == 0) return text;
    text.append(block, static_cast<std::size_t>(got));
  }
  return text;
}

Result<OpenText> read_opened(const std::filesystem::path& file, std::size_t bytes_max,
                             SlowWriter slow) {
  // O_NONBLOCK, because open() of a pipe waits for a writer otherwise. The checks look at the open
  // descriptor, so the file cannot be exchanged in between.
  // O_NOCTTY, because a service that leads its session would get the terminal as its own.
  const Fd handle(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!handle) return unreadable(file, std::strerror(errno));
  struct stat status {};
  if (::fstat(handle.get(), &status) != 0) return unreadable(file, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return unreadable(file, "it is a directory, not a file");
  auto text = read_start(file, handle.get(), bytes_max, source_of(handle.get(), status), slow);
  if (!text) return text.error();
  // A pipe's bytes go to one reader, and a device has no secret of its own. Whether others may run
  // the file says nothing.
  return OpenText{std::move(*text), S_ISREG(status.st_mode) &&
                                        crypto::others_may_use(status.st_mode & 0666,
                                                               status.st_uid, geteuid())};
}

}  // namespace

Result<OpenText> read_open_text(const std::filesystem::path& file, std::size_t bytes_max) {
  auto opened = read_opened(file, bytes_max, SlowWriter::refused);
  if (opened && opened->text.size() > bytes_max)
    return unreadable(file, "longer than " + std::to_string(bytes_max) + " bytes");
  return opened;
}

Result<std::string> read_text_file(const std::filesystem::path& file, std::size_t bytes_max) {
  auto opened = read_open_text(file, bytes_max);
  if (!opened) return opened.error();
  return std::move(opened->text);
}

Error exposed(const std::filesystem::path& file) {
  return {Errc::bad_config,
          file.string() + " holds a secret, and others may use it; run chmod 600 on it, "
                          "and chown where it belongs to another user"};
}

Result<std::string> read_secret_text(const std::filesystem::path& file, std::size_t bytes_max) {
  auto opened = read_open_text(file, bytes_max);
  if (!opened) return opened.error();
  if (!opened->others_may_use) return std::move(opened->text);
  wipe(opened->text.data(), opened->text.size());
  return exposed(file);
}

Result<std::string> read_file_start(const std::filesystem::path& file, std::size_t bytes_max) {
  auto opened = read_opened(file, bytes_max, SlowWriter::awaited);
  if (!opened) return opened.error();
  if (opened->text.size() > bytes_max) opened->text.resize(bytes_max + 1);
  return std::move(opened->text);
}

Result<void> write_new_file(const std::filesystem::path& file, std::string_view text) {
  // O_EXCL neither overwrites a file nor follows a link to one.
  const int handle = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (handle < 0 && errno == EEXIST)
    return Error{Errc::bad_config,
                 file.string() + " exists already; memseal does not overwrite it"};
  if (handle < 0) return refused("write", file, std::strerror(errno));
  int failure = 0;
  if (!write_all(handle, text.data(), text.size())) failure = errno;
  // A file system over a network may report only here that it did not store the bytes.
  if (::close(handle) != 0 && failure == 0) failure = errno;
  if (failure == 0) return {};
  // Half a file would be taken for a whole one, and would stand in the way of the next try.
  ::unlink(file.c_str());
  return refused("write", file, std::strerror(failure));
}

}  // namespace memseal::app
