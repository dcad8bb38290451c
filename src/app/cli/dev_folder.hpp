#pragma once
#include "base/fd.hpp"
#include "base/result.hpp"

#include <filesystem>
#include <string>
#include <utility>

namespace memseal::app {

/// Where `memseal dev` keeps its keys and its private database. Locked while this object lives, so
/// that no second service works on the same files. A temporary folder is removed at the end.
class DevFolder {
 public:
  /// `given`: the folder, made where it is absent; empty: a temporary one.
  /// Error: bad_config (another `memseal dev` uses the folder, or it cannot be made).
  static Result<DevFolder> make(const std::string& given);
  ~DevFolder();
  DevFolder(DevFolder&& other) noexcept
      : path_(std::move(other.path_)),
        temporary_(std::exchange(other.temporary_, false)),
        lock_(std::move(other.lock_)) {}
  DevFolder& operator=(DevFolder&&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  DevFolder() = default;
  std::filesystem::path path_;
  bool temporary_ = false;
  Fd lock_;
};

}  // namespace memseal::app
