#include "adapters/files/settings.hpp"

namespace memseal::files {

SettingRows<Settings> Settings::rows() {
  return {setting::path("files.directory",
                        "where the sealed originals of files lie, on a local disk; processes of "
                        "one deployment share it; empty: no files are kept",
                        &Settings::directory),
          setting::number("files.free_bytes_min",
                          "uploads stop where the disk of files.directory has less free space", 0,
                          std::int64_t{1} << 50, &Settings::free_bytes_min)};
}

}  // namespace memseal::files
