#pragma once
// Files that an operator's command replaces while the service reads them.
#include "base/result.hpp"

#include <filesystem>
#include <string>
#include <utility>

namespace memseal::app {

/// Tells whether a file was replaced or changed since; "none" where it is not there. Not the text
/// itself, because that may be secret.
std::string file_stamp(const std::filesystem::path& file);

/// What a link names, and not the link; the path itself where nothing is there yet.
std::filesystem::path target_of(const std::filesystem::path& file);

/// While a lock lives, no other command changes the file: what is read, changed and written under
/// it undoes no other change. The lock is one of the file's folder.
class FolderLock {
 public:
  /// Waits for another holder. bad_config if the folder cannot be opened.
  static Result<FolderLock> take(const std::filesystem::path& file);
  FolderLock(FolderLock&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
  ~FolderLock();

 private:
  explicit FolderLock(int handle) : handle_(handle) {}
  int handle_;
};

}  // namespace memseal::app
