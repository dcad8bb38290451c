// Reading and writing the keyring file: who may read it is checked on the open file, not on its
// name, so that a swap between check and use changes nothing.
#include "pure/crypto/secret_file.hpp"

#include "base/fd.hpp"
#include "base/on_exit.hpp"
#include "pure/crypto/internal/keyring_file.hpp"
#include "pure/crypto/random.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace memseal::crypto {

namespace {

Error refuse(const std::filesystem::path& file, const std::string& why) {
  return {Errc::key_invalid, "keyring file " + file.string() + ": " + why};
}

std::string reason(int error) { return std::strerror(error); }

std::string unfit(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return "not a plain file";
  // The owner could change the mode back and read the file. Root may do so anyway.
  if (status.st_uid != geteuid() && status.st_uid != 0)
    return "belongs to another user; run memseal as that user, or run chown on it";
  if (others_may_use(status.st_mode, status.st_uid, geteuid()))
    return "others may read or write it; run chmod 600 on it";
  if (status.st_size > static_cast<off_t>(keyring_file_bytes_max))
    return "longer than a keyring can be";
  return {};
}

// Makes the new name last through a power failure. A failure here is ignored, because the bytes
// themselves are on the disk.
void sync_folder(const std::filesystem::path& folder) {
  const Fd handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle) ::fsync(handle.get());
}

/// Who may use a file.
struct Access {
  uid_t owner = geteuid();
  gid_t group = getegid();
  mode_t mode = 0600;
};

// Root that replaces a service's file gives the new one to the service, which could not open it
// otherwise. Another user can give no file away, and may not belong to the group. That changes
// nothing, because the group of a secret file has no rights.
bool give(int handle, const Access& access) {
  if (access.owner != geteuid()) return ::fchown(handle, access.owner, access.group) == 0;
  return access.group == getegid() || ::fchown(handle, -1, access.group) == 0 || errno == EPERM;
}

int write_new(const std::filesystem::path& file, ByteView bytes, const Access& access) {
  // O_EXCL follows no link and opens nothing that somebody put there before. fchmod() comes after
  // fchown(), which may clear bits of the mode, and undoes a umask that took the owner's rights.
  const Fd handle(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!handle) return errno;
  const bool written = give(handle.get(), access) && ::fchmod(handle.get(), access.mode) == 0 &&
                       write_all(handle.get(), bytes.data(), bytes.size()) &&
                       ::fsync(handle.get()) == 0;
  return written ? 0 : errno;
}

}  // namespace

bool others_may_use(mode_t mode, uid_t owner, uid_t self) noexcept {
  // Another owner may change the mode at any time.
  if (owner != self && owner != 0) return true;
  // Root itself needs no group to read a file.
  const mode_t forbidden = owner == 0 && self != 0 ? 037 : 077;
  return (mode & forbidden) != 0;
}

Result<SecretBytes> read_secret_file(const std::filesystem::path& file) {
  // O_NONBLOCK: opening a pipe would otherwise wait for a writer. unfit() refuses the pipe next.
  const Fd handle(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!handle && errno == ENOENT)
    return Error{Errc::key_missing, "keyring file " + file.string() +
                                        " does not exist; `memseal keys init` makes the first "
                                        "one, and a deployment with data needs its own back"};
  if (!handle) return refuse(file, reason(errno));
  struct stat status {};
  if (::fstat(handle.get(), &status) != 0) return refuse(file, reason(errno));
  if (const auto why = unfit(status); !why.empty()) return refuse(file, why);

  // One byte more than allowed shows a file that grew after fstat(). The buffer has its full size
  // at once, because growing would leave copies of keys in freed memory.
  Bytes text(keyring_file_bytes_max + 1);
  std::size_t size = 0;
  const OnExit clean([&] { wipe(text.data(), size); });
  while (size < text.size()) {
    const auto got = ::read(handle.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(file, reason(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > keyring_file_bytes_max) return refuse(file, "longer than a keyring can be");
  return SecretBytes(ByteView(text).first(size));
}

Result<void> write_secret_file(const std::filesystem::path& name, ByteView bytes, bool replace) {
  auto file = name;
  Access access;
  if (replace) {
    // The file that a link names, because rename() would put a file in place of the link, and the
    // old file would keep its keys.
    std::error_code unresolved;
    file = std::filesystem::canonical(name, unresolved);
    struct stat status {};
    if (unresolved) return refuse(name, "cannot be written: " + unresolved.message());
    if (::stat(file.c_str(), &status) != 0)
      return refuse(name, "cannot be written: " + reason(errno));
    access = {status.st_uid, status.st_gid, status.st_mode & 0700};
  }
  auto folder = file.parent_path();
  if (folder.empty()) folder = ".";
  const auto draft =
      folder / ("." + file.filename().string() + "." + random_uuid().to_string() + ".new");
  // Removes what a failure left. After a rename the name is gone, and the error does not matter.
  const OnExit remove_draft([&] { ::unlink(draft.c_str()); });
  if (const int error = write_new(draft, bytes, access); error != 0)
    return refuse(file, "cannot be written: " + reason(error));
  // The draft is complete and synced before it gets its name, so a crash leaves the old file or the
  // new one. link() fails where the name exists; rename() would overwrite a keyring.
  const int named =
      replace ? ::rename(draft.c_str(), file.c_str()) : ::link(draft.c_str(), file.c_str());
  if (named != 0 && errno == EEXIST)
    return refuse(file, "exists already; a lost key loses every row, so it is not overwritten");
  if (named != 0) return refuse(file, "cannot be written: " + reason(errno));
  sync_folder(folder);
  return {};
}

}  // namespace memseal::crypto
