#pragma once
#include "base/fd.hpp"
#include "base/result.hpp"

#include <sys/types.h>

#include <string>
#include <utility>

namespace memseal::app {

/// The first line of a file that `memseal dev` writes: only such a file is replaced or removed.
inline constexpr const char* env_file_head =
    "# Written by `memseal dev`, which removes it at its end.\n";

/// The file of --env-file, which receives lines for a shell while a development service runs. It
/// holds a token, so it is for its owner alone. Scripts wait for it and then read it at once, so it
/// appears whole.
class EnvFile {
 public:
  /// Looks whether the file may be written. Changes nothing.
  /// Errors: bad_config (it holds something else, it is no regular file, another `memseal dev` that
  /// runs wrote it).
  static Result<EnvFile> claim(const std::string& path);
  /// Removes the file if this object wrote it.
  ~EnvFile();
  EnvFile(EnvFile&& other) noexcept
      : path_(std::move(other.path_)), lock_(std::move(other.lock_)) {}
  EnvFile& operator=(EnvFile&&) = delete;

  /// Absolute.
  const std::string& path() const noexcept { return path_; }
  /// Removes what a service left that was killed. Errors: as claim(), and a failing removal.
  Result<void> remove_earlier() const;
  /// Errors: as claim(), and a failing write.
  Result<void> write(const std::string& lines);

 private:
  explicit EnvFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
  Fd lock_;  ///< the file that this object wrote, locked
};

}  // namespace memseal::app
