#pragma once
// A file of this machine on its way to the service.
#include "adapters/http_client/client.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "pure/crypto/hash.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

namespace memseal::app {

/// An open file that is sent as it is. A file that becomes shorter meanwhile is an Error.
class LocalFile final : public http_client::BodySource {
 public:
  /// Error: bad_request; the message goes on after the file's path.
  static Result<LocalFile> open(const std::string& path);

  std::uint64_t size() const noexcept override { return bytes_; }
  /// Throws Refused{bad_request}, whose message goes on after the file's path.
  void read(std::uint64_t offset, std::span<char> into) const override;

  /// SHA-256 of the whole file. Throws as read().
  crypto::Digest sha256() const;
  /// Is told the end of each part that read() gives.
  std::function<void(std::uint64_t)> on_read;

 private:
  LocalFile(Fd fd, std::uint64_t bytes) : fd_(std::move(fd)), bytes_(bytes) {}
  void fill(std::uint64_t offset, std::span<char> into) const;
  Fd fd_;
  std::uint64_t bytes_;
};

}  // namespace memseal::app
