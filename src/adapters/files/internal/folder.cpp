#include "adapters/files/internal/folder.hpp"

#include "pure/codec/hex.hpp"
#include "pure/crypto/random.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

namespace memseal::files {

namespace {

constexpr int new_file = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
constexpr int old_file = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
constexpr int names_tried = 8;

template <std::size_t size>
std::string hex_of(const std::array<std::uint8_t, size>& bytes) {
  return to_hex(bytes.data(), bytes.size());
}

template <std::size_t size>
std::optional<std::array<std::uint8_t, size>> parse_hex(std::string_view text) {
  const auto bytes = codec::decode_hex(text);
  if (!bytes || bytes->size() != size || to_hex(bytes->data(), size) != text) return std::nullopt;
  std::array<std::uint8_t, size> parsed{};
  std::copy(bytes->begin(), bytes->end(), parsed.begin());
  return parsed;
}

std::string name_of(const ports::FileKey& key) {
  return hex_of(key.content) + "-" + hex_of(key.file.bytes);
}

std::optional<ports::FileKey> key_of(std::string_view name) {
  const auto dash = name.find('-');
  if (dash == name.npos) return std::nullopt;
  const auto content = parse_hex<32>(name.substr(0, dash));
  const auto file = parse_hex<16>(name.substr(dash + 1));
  if (!content || !file) return std::nullopt;
  return ports::FileKey{*content, Uuid{*file}};
}

std::string prefix_of(const UserHash& owner) { return owner.to_hex().substr(0, 2); }

/// Names in a directory, in their order. What is not there, or no directory, has none.
std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code failed;
  fs::directory_iterator at(directory, failed);
  for (; !failed && at != fs::directory_iterator(); at.increment(failed))
    names.push_back(at->path().filename().string());
  if (failed && failed != std::errc::no_such_file_or_directory &&
      failed != std::errc::not_a_directory)
    throw_failure(disk_error("read a directory", failed.value()));
  std::sort(names.begin(), names.end());
  return names;
}

/// Empty where the file has gone meanwhile.
std::optional<ports::StoredFile> facts_of(const fs::path& path, const ports::FileKey& key) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throw_disk_failure("read a directory");
  }
  if (!S_ISREG(facts.st_mode)) return std::nullopt;
  const auto at =
      std::chrono::seconds(facts.st_mtim.tv_sec) + std::chrono::nanoseconds(facts.st_mtim.tv_nsec);
  return ports::StoredFile{key, static_cast<std::uint64_t>(facts.st_size),
                           std::chrono::duration_cast<std::chrono::milliseconds>(at).count()};
}

}  // namespace

Folder::Folder(fs::path directory)
    : uploads_(directory / "uploads"), objects_(directory / "objects") {
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) throw_failure(disk_error("make its directory", failed.value()));
  ensure_directory(directory, "uploads");
  ensure_directory(directory, "objects");
}

fs::path Folder::object(const UserHash& owner, const ports::FileKey& key) const {
  return objects_ / prefix_of(owner) / owner.to_hex() / name_of(key);
}

fs::path Folder::ensure_tenant(const UserHash& owner) const {
  const auto prefix = prefix_of(owner);
  ensure_directory(objects_, prefix);
  ensure_directory(objects_ / prefix, owner.to_hex());
  return objects_ / prefix / owner.to_hex();
}

std::optional<ports::FilePiece> Folder::read(const UserHash& owner, const ports::FileKey& key,
                                             std::uint64_t offset, std::size_t bytes_max) const {
  const Fd file(::open(object(owner, key).c_str(), old_file));
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    throw_disk_failure("read a file");
  }
  const auto total = size_of(file);
  if (!total) return std::nullopt;
  ports::FilePiece piece{{}, *total};
  if (offset >= *total) return piece;
  piece.bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, *total - offset)));
  for (std::size_t done = 0; done < piece.bytes.size();) {
    const auto got = ::pread(file.get(), piece.bytes.data() + done, piece.bytes.size() - done,
                             static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_disk_failure("read a file");
    // An object never shrinks. Whoever cut it is found out by the seal, not by a loop without end.
    if (got == 0) {
      piece.bytes.resize(done);
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return piece;
}

bool Folder::remove(const UserHash& owner, const ports::FileKey& key) const {
  const auto path = object(owner, key);
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return false;
    throw_disk_failure("remove a file");
  }
  sync_directory(path.parent_path());
  return true;
}

// A file whose lock can be taken has no writer: the system gave the lock back when its process
// ended. No age has to be guessed, so a slow upload is safe.
std::size_t Folder::sweep_unfinished() const {
  std::size_t swept = 0;
  for (const auto& name : names_in(uploads_)) {
    const auto path = uploads_ / name;
    const Fd file(::open(path.c_str(), old_file));
    if (!file || !try_lock(file)) continue;
    if (::unlink(path.c_str()) == 0) ++swept;
  }
  return swept;
}

std::optional<ports::FilesOfTenant> Folder::next_tenant(
    const std::optional<UserHash>& after) const {
  const auto last = after ? after->to_hex() : std::string();
  for (const auto& prefix : names_in(objects_)) {
    if (prefix.size() != 2 || prefix < last.substr(0, 2)) continue;
    for (const auto& name : names_in(objects_ / prefix)) {
      const bool wanted = name > last && name.starts_with(prefix);
      const auto hash = wanted ? parse_hex<32>(name) : std::nullopt;
      if (!hash) continue;
      ports::FilesOfTenant found{UserHash{*hash}, {}};
      for (const auto& object : names_in(objects_ / prefix / name)) {
        const auto key = key_of(object);
        if (!key) continue;
        if (auto facts = facts_of(objects_ / prefix / name / object, *key))
          found.files.push_back(std::move(*facts));
      }
      return found;
    }
  }
  return std::nullopt;
}

Unfinished::Unfinished(std::shared_ptr<const Folder> folder) : folder_(std::move(folder)) {
  for (int tried = 0; tried < names_tried; ++tried) {
    path_ = folder_->uploads() / crypto::random_uuid().to_string();
    file_ = Fd(::open(path_.c_str(), new_file, 0600));
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

// The order is what a crash may not break: the bytes are on disk before the name, and the name is
// on disk before the caller hears of it.
void Unfinished::commit(const UserHash& owner, const ports::FileKey& key) {
  sync(file_);
  const auto directory = folder_->ensure_tenant(owner);
  if (::rename(path_.c_str(), folder_->object(owner, key).c_str()) != 0)
    throw_disk_failure("give a file its name");
  path_.clear();
  sync_directory(directory);
}

}  // namespace memseal::files
