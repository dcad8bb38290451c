#pragma once
// The files below a directory that a person names on the command line.
#include <cstddef>
#include <string>
#include <vector>

namespace memseal::app {

/// A file of a directory that is left out, and why.
struct SkippedFile {
  std::string path, why;
};

/// What is done about a link to a file. A link to a directory is never followed, because it may
/// lead back to a directory above.
enum class FileLinks {
  skip,  ///< because the link may lead to a file elsewhere
  read,
};

struct DirectoryWalk {
  std::vector<std::string> files;  ///< in the order of paths, since a file system has none
  std::vector<SkippedFile> skipped;
  std::size_t hidden = 0;  ///< files and folders whose names begin with a dot
  std::string failure;     ///< why the directory could not be read, or not to its end; else empty
};

/// Lists the regular files below `directory`.
DirectoryWalk walk_directory(const std::string& directory, FileLinks links);

/// Says on stderr what was left out, the first files by name.
void report_skipped(const std::vector<SkippedFile>& skipped, std::size_t hidden);

}  // namespace memseal::app
