#include "adapters/files/internal/disk.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

namespace memseal::files {

namespace {

bool is_setup_fault(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENODEV:
      return true;
    default:
      return false;
  }
}

bool is_full(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

}  // namespace

const int new_file_flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW;

// The messages name no path: clients of a route read them, and the directory is the operator's.
Error disk_error(std::string_view step, int error) {
  const std::string sentence =
      "the file store cannot " + std::string(step) + ": " + std::generic_category().message(error);
  if (is_full(error)) return {Errc::unavailable, sentence + "; free or add space"};
  if (is_setup_fault(error))
    return {Errc::bad_config, sentence + "; check files.directory and its owner",
            "files.directory"};
  return {Errc::unavailable, sentence};
}

void throw_disk_failure(std::string_view step) { throw_failure(disk_error(step, errno)); }

void write_all(const Fd& file, ByteView bytes) {
  if (!memseal::write_all(file.get(), bytes.data(), bytes.size()))
    throw_disk_failure("write a file");
}

void sync(const Fd& file) {
  // Not repeated after a failure: the system may have dropped the pages that it could not write,
  // and would then report a success.
  if (::fsync(file.get()) != 0) throw_disk_failure("write a file to the disk");
}

void sync_directory(const std::filesystem::path& directory) {
  const Fd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0) throw_disk_failure("write a directory to the disk");
}

void ensure_directory(const std::filesystem::path& parent, std::string_view name) {
  const auto path = parent / name;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw_disk_failure("make a directory");
  sync_directory(parent);
}

void judge_directory(const std::filesystem::path& directory, unsigned forbidden) {
  struct stat facts {};
  if (::lstat(directory.c_str(), &facts) != 0) throw_disk_failure("read its directory");
  const auto refuse = [](const char* cause) {
    throw_failure({Errc::bad_config, std::string("the path ") + cause, "files.directory"});
  };
  if (!S_ISDIR(facts.st_mode)) refuse("is not a directory, or is a symbolic link");
  if (facts.st_uid != ::geteuid()) refuse("belongs to another user");
  if ((facts.st_mode & forbidden) != 0)
    refuse("gives others rights that they must not have: `chmod go-rwx` takes them away");
}

std::uint64_t free_bytes(const Fd& file) {
  struct statvfs facts {};
  if (::fstatvfs(file.get(), &facts) != 0) throw_disk_failure("read its free space");
  return std::uint64_t{facts.f_bavail} * facts.f_frsize;
}

bool try_lock(const Fd& file) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK) throw_disk_failure("lock a file");
  return false;
}

std::optional<std::uint64_t> size_of(const Fd& file) {
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(facts.st_size);
}

}  // namespace memseal::files
