#include "app/cli/dev_folder.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace memseal::app {

namespace fs = std::filesystem;

Result<DevFolder> DevFolder::make(const std::string& given) {
  DevFolder folder;
  std::error_code failure;
  if (given.empty()) {
    auto pattern = (fs::temp_directory_path(failure) / "memseal-dev-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      return Error{Errc::bad_config, "cannot create a temporary folder: " +
                                         std::generic_category().message(errno)};
    folder.path_ = pattern;
    folder.temporary_ = true;
    return folder;
  }
  folder.path_ = fs::absolute(given);
  fs::create_directories(folder.path_, failure);
  if (failure)
    return Error{Errc::bad_config, "cannot create " + given + ": " + failure.message(), "--dir"};
  folder.lock_ =
      Fd(::open((folder.path_ / "dev.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!folder.lock_)
    return Error{Errc::bad_config,
                 "cannot write to " + given + ": " + std::generic_category().message(errno),
                 "--dir"};
  // The kernel drops the lock with the process, however that ends.
  if (::flock(folder.lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{Errc::bad_config,
                 "another `memseal dev` uses " + given + ": stop it, or give another --dir",
                 "--dir"};
  return folder;
}

DevFolder::~DevFolder() {
  std::error_code ignored;
  if (temporary_) fs::remove_all(path_, ignored);
}

}  // namespace memseal::app
