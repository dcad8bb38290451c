#include "app/cli/fetched_file.hpp"

#include "base/ids.hpp"
#include "pure/crypto/random.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace memseal::app {

namespace {

Error unwritten(const std::string& path, int error) {
  return {Errc::bad_config, "cannot write " + (path.empty() ? std::string("the output") : path) +
                                ": " + std::generic_category().message(error)};
}

/// A file without a name in the folder of `path`, which goes with the process however that ends;
/// none where the file system or a missing /proc does not allow it.
Fd open_nameless(const std::string& path) {
  if (::access("/proc/self/fd", X_OK) != 0) return Fd();
  auto folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  return Fd(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
}

/// Gives such a file a name beside `path`. Empty: it cannot; errno says why.
std::string name_beside(const std::string& path, int fd) {
  const auto itself = "/proc/self/fd/" + std::to_string(fd);
  for (int tried = 0; tried < 100; ++tried) {
    auto name = path + ".part-" + crypto::random_uuid().to_string();
    if (::linkat(AT_FDCWD, itself.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0)
      return name;
    if (errno != EEXIST) break;
  }
  return "";
}

}  // namespace

Result<FetchedFile> FetchedFile::open(const std::string& path) {
  const auto opened = [&path](std::string temporary, int fd) -> Result<FetchedFile> {
    if (fd < 0) return unwritten(path, errno);
    return Result<FetchedFile>(FetchedFile(path, std::move(temporary), Fd(fd)));
  };
  if (path.empty()) return opened("", ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  std::error_code unknown;
  const auto status = std::filesystem::status(path, unknown);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    return opened("", ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (auto fd = open_nameless(path)) {
    FetchedFile file(path, "", std::move(fd));
    file.is_nameless_ = true;
    return Result<FetchedFile>(std::move(file));
  }
  auto temporary = path + ".part-XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  return opened(std::move(temporary), fd);
}

FetchedFile::~FetchedFile() {
  if (fd_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

FetchedFile::FetchedFile(FetchedFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::move(other.fd_)),
      is_nameless_(other.is_nameless_),
      failure_(other.failure_),
      bytes_(other.bytes_),
      hash_(std::move(other.hash_)) {}

bool FetchedFile::write(std::string_view bytes) {
  hash_.update(bytes_of(bytes));
  if (failure_ != 0) return false;
  if (!write_all(fd_.get(), bytes.data(), bytes.size())) {
    failure_ = errno;
    return false;
  }
  bytes_ += bytes.size();
  return true;
}

bool FetchedFile::reader_left() const noexcept { return path_.empty() && failure_ == EPIPE; }

std::string FetchedFile::sha256() {
  const auto digest = hash_.finish();
  return to_hex(digest.data(), digest.size());
}

Result<void> FetchedFile::written() const {
  return failure_ == 0 ? Result<void>() : unwritten(path_, failure_);
}

Result<void> FetchedFile::keep() {
  if (auto all = written(); !all) return all;
  if (temporary_.empty() && !is_nameless_) return {};
  if (is_nameless_) {
    temporary_ = name_beside(path_, fd_.get());
    if (temporary_.empty()) return unwritten(path_, errno);
    is_nameless_ = false;
  }
  if (::fsync(fd_.get()) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0)
    return unwritten(path_, errno);
  temporary_.clear();
  return {};
}

}  // namespace memseal::app
