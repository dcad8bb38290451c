#pragma once
#include "adapters/files/internal/folder.hpp"

#include <cstdint>
#include <exception>
#include <memory>

namespace memseal::files {

/// A file below uploads/. Unlinked when destroyed, unless commit() has moved it; locked until then.
/// Every function but write() throws as disk.hpp says. All block. Thread: one at a time.
class Unfinished {
 public:
  explicit Unfinished(std::shared_ptr<const Folder> folder);
  ~Unfinished();
  Unfinished(Unfinished&&) = delete;

  /// Throws Outage where the disk has less free space than the operator wants kept.
  void require_space() const;
  /// Appends `bytes`, or keeps why that failed for require_written(). After a failure nothing more
  /// is written.
  void write(ByteView bytes) noexcept;
  /// Throws what a write() before it kept.
  void require_written() const;
  /// REQUIRES: require_written() did not throw after the last write().
  void commit(const UserHash& owner, const ports::FileKey& key);

 private:
  const std::shared_ptr<const Folder> folder_;
  fs::path path_;  // empty: nothing to unlink
  Fd file_;
  std::uint64_t written_ = 0, started_ = 0;  // bytes; those from `started_` on only lie in memory
  std::exception_ptr failure_;
};

}  // namespace memseal::files
