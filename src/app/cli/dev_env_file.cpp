#include "app/cli/dev_env_file.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

Error refuse(std::string sentence) {
  return {Errc::bad_config, std::move(sentence), "--env-file"};
}

Error cannot(const char* verb, const std::string& path, int cause) {
  return refuse(std::string("cannot ") + verb + " " + path + ": " +
                std::generic_category().message(cause));
}

Error taken(const std::string& path, const char* why) {
  return refuse(path + " " + why + ": remove it, or name another --env-file");
}

/// Whether there is nothing at `path` that a write would destroy.
Result<void> check_place(const std::string& path) {
  // A link is not followed, because what it leads to is not this program's.
  const Fd file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file && errno == ENOENT) return {};
  if (!file && errno == ELOOP) return taken(path, "is a link");
  if (!file) return cannot("read", path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return cannot("read", path, errno);
  if (!S_ISREG(status.st_mode)) return taken(path, "is not a regular file");
  if (status.st_size == 0) return {};  // An empty file loses nothing.
  constexpr std::string_view head(env_file_head);
  char begin[head.size()];
  const auto got = ::read(file.get(), begin, sizeof begin);
  if (got < 0) return cannot("read", path, errno);
  if (std::string_view(begin, static_cast<std::size_t>(got)) != head)
    return taken(path, "holds something that `memseal dev` did not write");
  // The kernel drops the lock with the process, however that ends.
  if (::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return refuse("another `memseal dev` uses " + path + ": stop it, or name another --env-file");
  return {};
}

bool is_same_file(int open_file, const std::string& path) {
  struct stat ours {}, there {};
  return ::fstat(open_file, &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

}  // namespace

Result<EnvFile> EnvFile::claim(const std::string& path) {
  std::error_code failure;
  const auto full = fs::absolute(path, failure);
  if (failure) return cannot("find", path, failure.value());
  if (auto free = check_place(full.string()); !free) return free.error();
  return EnvFile(full.string());
}

EnvFile::~EnvFile() {
  if (lock_ && is_same_file(lock_.get(), path_)) ::unlink(path_.c_str());
}

Result<void> EnvFile::remove_earlier() const {
  if (auto free = check_place(path_); !free) return free.error();
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return cannot("remove", path_, errno);
  return {};
}

Result<void> EnvFile::write(const std::string& lines) {
  if (auto free = check_place(path_); !free) return free.error();
  // A name that nobody can foresee, made by this call alone: another user may write to the folder.
  auto draft = path_ + ".XXXXXX";
  Fd file(::mkostemp(draft.data(), O_CLOEXEC));
  if (!file) return cannot("write", path_, errno);
  // Where the file system has no locks, the file is made too.
  ::flock(file.get(), LOCK_EX | LOCK_NB);
  const auto text = env_file_head + lines;
  int cause = ::fchmod(file.get(), 0600) == 0 ? 0 : errno;
  if (cause == 0 && !write_all(file.get(), text.data(), text.size())) cause = errno;
  if (cause == 0 && std::rename(draft.c_str(), path_.c_str()) != 0) cause = errno;
  if (cause == 0) {
    lock_ = std::move(file);
    return {};
  }
  ::unlink(draft.c_str());
  return cannot("write", path_, cause);
}

}  // namespace memseal::app
