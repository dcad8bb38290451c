#include "adapters/files/internal/folder.hpp"

#include "pure/codec/hex.hpp"
#include "pure/crypto/random.hpp"
#include "runtime/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

namespace memseal::files {

namespace {

constexpr int old_file = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
constexpr const char* mark_name = "store";

template <std::size_t size>
std::string hex_of(const std::array<std::uint8_t, size>& bytes) {
  return to_hex(bytes.data(), bytes.size());
}

template <std::size_t size>
std::optional<std::array<std::uint8_t, size>> parse_hex(std::string_view text) {
  const auto bytes = codec::decode_hex(text);
  // One spelling only: on a disk that ignores case, two spellings would be one file.
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

/// As names_in(); nothing where the directory cannot be read, which must not hide what lies behind
/// it.
std::optional<std::vector<std::string>> readable_names_in(const fs::path& directory) {
  try {
    return names_in(directory);
  } catch (const Failure& failed) {
    runtime::log(runtime::LogLevel::warn, "files.directory_unreadable",
                 {{"directory", directory.filename().string().substr(0, 8)},
                  {"cause", failed.error().message}});
    return std::nullopt;
  }
}

ports::FilesOfTenant files_of(const UserHash& owner, const fs::path& directory) {
  ports::FilesOfTenant found{owner, {}};
  const auto names = readable_names_in(directory);
  found.readable = names.has_value();
  for (const auto& object : names.value_or(std::vector<std::string>())) {
    const auto key = key_of(object);
    if (!key) continue;
    try {
      if (auto facts = facts_of(directory / object, *key)) found.files.push_back(std::move(*facts));
    } catch (const Failure&) {
      found.readable = false;  // One bad sector must not hide the tenants behind it.
    }
  }
  return found;
}

/// Makes `directory` and what is missing above it, each with mode 0700 and each synced.
void make_root(const fs::path& directory) {
  const auto parent = fs::absolute(directory).parent_path();
  std::error_code unknown;
  if (!fs::exists(directory, unknown)) {
    if (parent != directory && !fs::exists(parent, unknown)) make_root(parent);
    ensure_directory(parent, directory.filename().string());
  }
}

}  // namespace

Folder::Folder(const fs::path& directory, std::uint64_t free_bytes_min)
    : root_(directory.has_filename() ? directory : directory.parent_path()),
      uploads_(root_ / "uploads"),
      objects_(root_ / "objects"),
      free_bytes_min_(free_bytes_min) {
  make_root(root_);
  // Others may look into the root, where every name is a constant, but must not change it.
  judge_directory(root_, S_IWGRP | S_IWOTH);
  for (const auto& path : {uploads_, objects_}) {
    ensure_directory(root_, path.filename().string());
    judge_directory(path, S_IRWXG | S_IRWXO);
  }
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

std::size_t Folder::remove_all(const UserHash& owner, const std::stop_token& stop) const {
  const auto directory = objects_ / prefix_of(owner) / owner.to_hex();
  std::size_t removed = 0;
  for (const auto& name : names_in(directory)) {
    if (stop.stop_requested()) return removed;
    if (!key_of(name)) continue;
    if (::unlink((directory / name).c_str()) == 0)
      ++removed;
    else if (errno != ENOENT)
      throw_disk_failure("remove a file");
  }
  if (removed > 0) sync_directory(directory);
  // Fails where the folder is not empty, which is right.
  if (::rmdir(directory.c_str()) == 0) sync_directory(directory.parent_path());
  return removed;
}

Fd Folder::hold(const UserHash& owner, const ports::FileKey& key) const {
  Fd file(::open(object(owner, key).c_str(), old_file));
  if (!file) {
    if (errno == ENOENT) return {};
    throw_disk_failure("open a file");
  }
  struct stat facts {};
  // Between open() and the lock another process may have removed the name. Such a file has no link
  // any more.
  const bool held = try_lock(file) && ::fstat(file.get(), &facts) == 0 && facts.st_nlink > 0;
  return held ? std::move(file) : Fd();
}

void Folder::remove_held(const UserHash& owner, const ports::FileKey& key) const {
  remove(owner, key);
  // Fails where the folder is not empty, which is right.
  ::rmdir(object(owner, key).parent_path().c_str());
}

std::optional<Uuid> Folder::mark() const {
  const Fd file(::open((root_ / mark_name).c_str(), old_file));
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    throw_disk_failure("read its mark");
  }
  std::array<char, 36> text{};
  const auto got = ::pread(file.get(), text.data(), text.size(), 0);
  const auto id = Uuid::parse({text.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))});
  if (!id)
    throw_failure({Errc::bad_config, "the file `store` in the file store is no mark of memseal",
                   "files.directory"});
  return *id;
}

// link() gives the mark its name only once it is whole, and never takes the place of another one.
Uuid Folder::ensure_mark(const Uuid& wanted) const {
  if (const auto known = mark()) return *known;
  if (!names_in(objects_).empty())
    throw_failure({Errc::bad_config, "the file store holds files and has no mark: it is not whole",
                   "files.directory"});
  const auto made = uploads_ / crypto::random_uuid().to_string();
  const Fd file(::open(made.c_str(), new_file_flags, 0600));
  // Locked, so that no sweep takes it.
  if (!file || !try_lock(file)) throw_disk_failure("make its mark");
  const auto text = wanted.to_string() + "\n";
  write_all(file, bytes_of(text));
  sync(file);
  const bool linked = ::link(made.c_str(), (root_ / mark_name).c_str()) == 0;
  const int failed = errno;
  ::unlink(made.c_str());
  if (!linked && failed != EEXIST) throw_failure(disk_error("make its mark", failed));
  sync_directory(root_);
  return mark().value_or(wanted);
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
    for (const auto& name :
         readable_names_in(objects_ / prefix).value_or(std::vector<std::string>())) {
      const bool wanted = name > last && name.starts_with(prefix);
      const auto hash = wanted ? parse_hex<32>(name) : std::nullopt;
      if (hash) return files_of(UserHash{*hash}, objects_ / prefix / name);
    }
  }
  return std::nullopt;
}

}  // namespace memseal::files
