#pragma once
// Where a content goes that comes from the service.
#include "base/fd.hpp"
#include "base/result.hpp"
#include "pure/crypto/sha256_stream.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace memseal::app {

/// A file that gets its name when it is whole, so that nobody sees a part of it. Before keep() it
/// leaves nothing behind, also where the process is killed (O_TMPFILE; where the file system has no
/// such files it has a temporary name, which only the destructor removes).
/// Error of every function: bad_config; the message names the path and the cause.
class FetchedFile {
 public:
  /// `path`: to write; empty: standard output. What is there and is no plain file, such as
  /// /dev/null, is written to as it is.
  static Result<FetchedFile> open(const std::string& path);
  ~FetchedFile();
  FetchedFile(FetchedFile&& other) noexcept;
  FetchedFile& operator=(FetchedFile&&) = delete;

  /// False: the bytes cannot be written; written() says why.
  bool write(std::string_view bytes);
  /// Whether standard output has nobody who reads it any more.
  bool reader_left() const noexcept;
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// SHA-256 of what was written, in hex. Call once.
  std::string sha256();
  /// Whether all bytes so far could be written.
  Result<void> written() const;
  /// Gives the file its name.
  Result<void> keep();

 private:
  FetchedFile(std::string path, std::string temporary, Fd fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}
  std::string path_, temporary_;  // no temporary name: written where it is
  Fd fd_;
  bool is_nameless_ = false;
  int failure_ = 0;  // errno of the first write that failed
  std::uint64_t bytes_ = 0;
  crypto::Sha256Stream hash_;
};

}  // namespace memseal::app
