#pragma once
// How objects lie in a directory. Names are keyed hashes and random numbers, never a client's
// words.
//
//   <directory>/uploads/<random uuid>                 being written; its writer holds a lock
//   (flock) <directory>/objects/<hh>/<user_hash>/<content>-<file>   whole, never changed
//
// Every function blocks and throws as disk.hpp says. Thread: any.
#include "adapters/files/internal/disk.hpp"
#include "ports/file_store.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace memseal::files {

namespace fs = std::filesystem;

class Folder {
 public:
  /// Makes what is missing. Throws where `directory` cannot be written.
  explicit Folder(fs::path directory);

  const fs::path& uploads() const noexcept { return uploads_; }
  const fs::path& objects() const noexcept { return objects_; }
  fs::path object(const UserHash& owner, const ports::FileKey& key) const;
  /// Makes the folder of a tenant where it is not there.
  fs::path ensure_tenant(const UserHash& owner) const;

  std::optional<ports::FilePiece> read(const UserHash& owner, const ports::FileKey& key,
                                       std::uint64_t offset, std::size_t bytes_max) const;
  bool remove(const UserHash& owner, const ports::FileKey& key) const;
  std::size_t sweep_unfinished() const;
  std::optional<ports::FilesOfTenant> next_tenant(const std::optional<UserHash>& after) const;

 private:
  fs::path uploads_, objects_;
};

/// A file below uploads/. Unlinked when destroyed, unless commit() has moved it.
class Unfinished {
 public:
  explicit Unfinished(std::shared_ptr<const Folder> folder);
  ~Unfinished();
  Unfinished(Unfinished&&) = delete;

  void append(ByteView bytes) { write_all(file_, bytes); }
  void commit(const UserHash& owner, const ports::FileKey& key);

 private:
  const std::shared_ptr<const Folder> folder_;
  fs::path path_;  // empty: nothing to unlink
  Fd file_;
};

}  // namespace memseal::files
