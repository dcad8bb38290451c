#pragma once
// A backup as a folder: manifest.json, database.dump, files.tar where there are files, and
// SHA256SUMS, which `sha256sum -c` reads.
#include "adapters/postgres/backup.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace memseal::app {

inline constexpr int backup_format = 1;
inline constexpr const char* dump_part = "database.dump";
inline constexpr const char* files_part = "files.tar";

struct BackupPart {
  std::string name;
  std::uint64_t bytes = 0;
  std::string sha256;  ///< hex

  friend bool operator==(const BackupPart&, const BackupPart&) = default;
};

/// What manifest.json says.
struct Manifest {
  std::string release;  ///< of memseal, that made the backup
  postgres::BackupFacts database;
  std::vector<BackupPart> parts;

  std::uint64_t bytes() const;
  const BackupPart* find(const std::string& part) const;
  std::int64_t rows_of(const std::string& table) const;
};

boost::json::object to_json(const Manifest& manifest);

/// Size and SHA-256 of a file, which is also brought to the disk. `meanwhile` is called for each
/// MiB. Error: internal where it cannot be read.
Result<BackupPart> measure_part(const std::filesystem::path& folder, const std::string& name,
                                const std::function<void()>& meanwhile = {});

/// Writes manifest.json and SHA256SUMS, and brings both to the disk. Returns the SHA-256 of the
/// manifest.
Result<std::string> write_manifest(const std::filesystem::path& folder, const Manifest& manifest);

/// Errors: not_found (no such folder), open_failed with a sentence: a file is missing, the manifest
/// was changed, the format is newer.
Result<Manifest> read_manifest(const std::filesystem::path& folder);

/// Whether every part is there, whole and unchanged. Error: open_failed with a sentence.
Result<void> check_parts(const std::filesystem::path& folder, const Manifest& manifest,
                         const std::function<void()>& meanwhile = {});

/// A folder that is removed with this object, unless it was published. What a killed process left
/// behind is removed by the next one.
class WorkFolder {
 public:
  /// A new folder in `parent`, whose name begins with `prefix`, for this user alone.
  /// Error: bad_config where it cannot be made.
  static Result<WorkFolder> make(const std::filesystem::path& parent, const std::string& prefix);
  ~WorkFolder();
  WorkFolder(WorkFolder&& other) noexcept;
  WorkFolder& operator=(WorkFolder&&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  /// Gives it its name and brings that to the disk. Error: internal.
  Result<void> publish(const std::filesystem::path& name);

 private:
  WorkFolder(std::filesystem::path path, Fd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;  ///< empty: nothing is to be removed
  Fd lock_;
};

}  // namespace memseal::app
