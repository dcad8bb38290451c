#include "adapters/files/internal/unfinished.hpp"

#include "pure/crypto/random.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace memseal::files {

namespace {

constexpr int names_tried = 8, folders_tried = 4;
/// So much lies in memory before the disk is asked to begin with it: large enough to be written in
/// one go, small enough that the sync at the end finds little to do.
constexpr std::uint64_t begin_writing_bytes = 8u << 20;

}  // namespace

Unfinished::Unfinished(std::shared_ptr<const Folder> folder) : folder_(std::move(folder)) {
  for (int tried = 0; tried < names_tried; ++tried) {
    path_ = folder_->uploads() / crypto::random_uuid().to_string();
    file_ = Fd(::open(path_.c_str(), new_file_flags, 0600));
    if (!file_) {
      path_.clear();
      throw_disk_failure("make a file");
    }
    // A sweep may have come between the two calls and unlinked the file, for which no writer held
    // the lock yet. Another name is then tried.
    struct stat facts {};
    if (try_lock(file_) && ::fstat(file_.get(), &facts) == 0 && facts.st_nlink > 0) return;
  }
  throw_failure({Errc::unavailable, "the file store cannot make a file: the sweep takes each"});
}

Unfinished::~Unfinished() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

void Unfinished::require_space() const {
  if (free_bytes(file_) < folder_->free_bytes_min())
    throw_failure({Errc::unavailable, "the file store has no space left for uploads"});
}

// Space is asked for before each part, because an upload may take long and is not the only one.
void Unfinished::write(ByteView bytes) noexcept {
  if (failure_) return;
  try {
    require_space();
    write_all(file_, bytes);
  } catch (...) {
    failure_ = std::current_exception();
    return;
  }
  written_ += bytes.size();
  if (written_ - started_ < begin_writing_bytes) return;
  // A hint, which waits for nothing: commit() syncs, and hears of what could not be written.
  ::sync_file_range(file_.get(), static_cast<off_t>(started_),
                    static_cast<off_t>(written_ - started_), SYNC_FILE_RANGE_WRITE);
  started_ = written_;
}

void Unfinished::require_written() const {
  if (failure_) std::rethrow_exception(failure_);
}

// The order is what a crash may not break: the bytes are on disk before the name, and the name is
// on disk before the caller hears of it.
void Unfinished::commit(const UserHash& owner, const ports::FileKey& key) {
  sync(file_);
  const auto name = folder_->object(owner, key);
  for (int tried = 1;; ++tried) {
    const auto directory = folder_->ensure_tenant(owner);
    if (::rename(path_.c_str(), name.c_str()) == 0) {
      path_.clear();
      return sync_directory(directory);
    }
    // A sweep may have removed the folder, which was empty.
    if (errno != ENOENT || tried == folders_tried) throw_disk_failure("give a file its name");
  }
}

}  // namespace memseal::files
