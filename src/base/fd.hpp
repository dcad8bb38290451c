#pragma once
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace memseal {

/// A file descriptor. Closed when destroyed.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { close(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  void close() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const noexcept { return fd_; }
  /// Gives the descriptor away: whoever takes it closes it.
  int release() noexcept { return std::exchange(fd_, -1); }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Writes all of `size` bytes: goes on after a signal, and after a write that took only some of
/// them, as a disk that is nearly full does. False: errno says why; some bytes may be written.
inline bool write_all(int fd, const void* bytes, std::size_t size) noexcept {
  const auto* left = static_cast<const char*>(bytes);
  while (size > 0) {
    const auto written = ::write(fd, left, size);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;  // POSIX lets a device do this; without an end it would repeat
    if (written <= 0) return false;
    left += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace memseal
