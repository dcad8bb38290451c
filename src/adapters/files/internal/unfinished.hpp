#pragma once
#include "adapters/files/internal/folder.hpp"

#include <memory>

namespace memseal::files {

/// A file below uploads/. Unlinked when destroyed, unless commit() has moved it; locked until then.
/// Every function blocks and throws as disk.hpp says. Thread: one at a time.
class Unfinished {
 public:
  explicit Unfinished(std::shared_ptr<const Folder> folder);
  ~Unfinished();
  Unfinished(Unfinished&&) = delete;

  /// Throws Outage where the disk has less free space than the operator wants kept.
  void require_space() const;
  void append(ByteView bytes);
  void commit(const UserHash& owner, const ports::FileKey& key);

 private:
  const std::shared_ptr<const Folder> folder_;
  fs::path path_;  // empty: nothing to unlink
  Fd file_;
};

}  // namespace memseal::files
