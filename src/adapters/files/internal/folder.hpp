#pragma once
// How objects lie in a directory. Names are keyed hashes and random numbers, never a client's
// words.
//
//   <directory>/store                                          the mark, a uuid
//   <directory>/uploads/<random uuid>                          being written
//   <directory>/objects/<hh>/<user_hash>/<content>-<file>      whole, never changed
//
// An upload holds a lock (flock) on its file from the beginning until it is destroyed, which is
// after the file was moved to objects/. Who takes the lock knows that no upload goes on.
//
// Every function blocks and throws as disk.hpp says. Thread: any.
#include "adapters/files/internal/disk.hpp"
#include "ports/file_store.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace memseal::files {

namespace fs = std::filesystem;

class Folder {
 public:
  /// Makes what is missing. Throws where `directory` cannot be written, or others may write to it.
  Folder(const fs::path& directory, std::uint64_t free_bytes_min);

  const fs::path& uploads() const noexcept { return uploads_; }
  /// Of the disk. Uploads stop where less is free.
  std::uint64_t free_bytes_min() const noexcept { return free_bytes_min_; }
  fs::path object(const UserHash& owner, const ports::FileKey& key) const;
  /// Makes the folder of a tenant where it is not there, and syncs all names on the way to it.
  fs::path ensure_tenant(const UserHash& owner) const;

  std::optional<ports::FilePiece> read(const UserHash& owner, const ports::FileKey& key,
                                       std::uint64_t offset, std::size_t bytes_max) const;
  bool remove(const UserHash& owner, const ports::FileKey& key) const;
  /// Removes the objects of a tenant, and the folder that is empty then. Returns how many; fewer
  /// than all once it is asked to stop.
  std::size_t remove_all(const UserHash& owner, const std::stop_token& stop) const;
  /// The object with its lock taken; no file where it is missing or its upload goes on.
  Fd hold(const UserHash& owner, const ports::FileKey& key) const;
  /// Removes an object that hold() gave, and the folders that are empty then.
  void remove_held(const UserHash& owner, const ports::FileKey& key) const;
  std::optional<Uuid> mark() const;
  Uuid ensure_mark(const Uuid& wanted) const;
  std::size_t sweep_unfinished() const;
  std::optional<ports::FilesOfTenant> next_tenant(const std::optional<UserHash>& after) const;

 private:
  fs::path root_, uploads_, objects_;
  std::uint64_t free_bytes_min_;
};

}  // namespace memseal::files
