#pragma once
// The files that a person names on the command line, to be stored as they are.
#include "app/cli/directory_walk.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace memseal::app {

/// One file to store.
struct UploadInput {
  std::string path;
  std::string name;         ///< that the file gets: its path below the directory that was named
  std::uint64_t bytes = 0;  ///< when it was found
};

struct UploadInputs {
  std::vector<UploadInput> files;  ///< no path twice; those of a directory in the order of paths
  std::vector<SkippedFile> skipped;
  std::size_t hidden = 0;      ///< files and folders whose names begin with a dot
  std::vector<Error> refused;  ///< what was named and cannot be stored
};

/// Finds the files of `paths`. A directory stands for all files below it but for hidden ones and
/// for links, which may lead elsewhere. `name` names the only file, or is empty.
UploadInputs find_uploads(const std::vector<std::string>& paths, const std::string& name);

}  // namespace memseal::app
