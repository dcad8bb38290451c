#include "app/cli/local_file.hpp"

#include "pure/crypto/sha256_stream.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace memseal::app {

namespace {

constexpr std::size_t hashed_bytes = std::size_t{1} << 20;

Error unread(int error) {
  return {Errc::bad_request, "cannot be read: " + std::generic_category().message(error)};
}

}  // namespace

Result<LocalFile> LocalFile::open(const std::string& path) {
  LocalFile file(Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)), 0);
  if (!file.fd_) return unread(errno);
  struct stat facts {};
  if (::fstat(file.fd_.get(), &facts) != 0) return unread(errno);
  if (!S_ISREG(facts.st_mode)) return Error{Errc::bad_request, "is not a regular file"};
  file.bytes_ = static_cast<std::uint64_t>(facts.st_size);
  return Result<LocalFile>(std::move(file));
}

void LocalFile::fill(std::uint64_t offset, std::span<char> into) const {
  for (std::size_t done = 0; done < into.size();) {
    const auto got = ::pread(fd_.get(), into.data() + done, into.size() - done,
                             static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_failure(unread(errno));
    if (got == 0) throw_failure({Errc::bad_request, "became shorter while it was read"});
    done += static_cast<std::size_t>(got);
  }
}

void LocalFile::read(std::uint64_t offset, std::span<char> into) const {
  fill(offset, into);
  if (on_read) on_read(offset + into.size());
}

crypto::Digest LocalFile::sha256() const {
  crypto::Sha256Stream hash;
  std::vector<char> piece(static_cast<std::size_t>(std::min<std::uint64_t>(hashed_bytes, bytes_)));
  for (std::uint64_t at = 0; at < bytes_; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(hashed_bytes, bytes_ - at)));
    fill(at, piece);
    hash.update(bytes_of({piece.data(), piece.size()}));
  }
  return hash.finish();
}

}  // namespace memseal::app
