#pragma once
// Files that are there after a power failure as well.
#include <filesystem>

namespace memseal::app {

/// Brings a file's bytes or a folder's names to the disk. False: it cannot; errno says why.
bool sync_path(const std::filesystem::path& path);

}  // namespace memseal::app
