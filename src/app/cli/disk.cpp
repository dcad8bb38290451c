#include "app/cli/disk.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace memseal::app {

bool sync_path(const std::filesystem::path& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file && ::fsync(file.get()) == 0;
}

}  // namespace memseal::app
