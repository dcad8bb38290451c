#include "app/service/watched_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace memseal::app {

namespace fs = std::filesystem;

std::string file_stamp(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return "none";
  std::string stamp;
  for (const auto part :
       {static_cast<std::int64_t>(status.st_ino), static_cast<std::int64_t>(status.st_size),
        static_cast<std::int64_t>(status.st_mode), static_cast<std::int64_t>(status.st_uid),
        static_cast<std::int64_t>(status.st_mtim.tv_sec),
        static_cast<std::int64_t>(status.st_mtim.tv_nsec),
        static_cast<std::int64_t>(status.st_ctim.tv_sec),
        static_cast<std::int64_t>(status.st_ctim.tv_nsec)})
    stamp += std::to_string(part) + " ";
  return stamp;
}

fs::path target_of(const fs::path& file) {
  std::error_code failed;
  auto target = fs::canonical(file, failed);
  return failed ? fs::absolute(file) : target;
}

Result<FolderLock> FolderLock::take(const fs::path& file) {
  const auto folder = target_of(file).parent_path();
  const auto unusable = [&] {
    return Error{Errc::bad_config, folder.string() + ": " + std::strerror(errno)};
  };
  FolderLock lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.handle_ < 0) return unusable();
  while (::flock(lock.handle_, LOCK_EX) != 0)
    if (errno != EINTR) return unusable();
  return lock;
}

FolderLock::~FolderLock() {
  if (handle_ >= 0) ::close(handle_);
}

}  // namespace memseal::app
