#pragma once
#include "cases/knowledge/files.hpp"
#include "pure/crypto/sealed_stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace memseal::knowledge {

/// Reads the content of one file, from any place, in constant memory. Thread: one at a time.
class Reading {
 public:
  /// Empty when this user has no such file. The end of the stream is verified before this returns,
  /// so the file is whole and has file().bytes bytes.
  /// Throws Refused{open_failed} for an object that is missing or damaged.
  static asio::awaitable<std::optional<std::unique_ptr<Reading>>> begin(
      const KnowledgeDeps& deps, runtime::RequestContext context, crypto::Tenant owner, Uuid id);
  ~Reading();

  const File& file() const noexcept { return file_; }
  /// The next bytes from `offset` on, at least one and at most `bytes_max`. The view holds until
  /// the next call. REQUIRES: offset < file().bytes, bytes_max > 0.
  asio::awaitable<ByteView> read(runtime::RequestContext context, std::uint64_t offset,
                                 std::size_t bytes_max);

 private:
  Reading(const KnowledgeDeps& deps, crypto::Tenant owner, File file, ports::FileKey object,
          crypto::StreamOpener opener, crypto::StreamLayout layout);
  asio::awaitable<std::size_t> open_frame(runtime::RequestContext context, std::uint64_t number);

  const KnowledgeDeps& deps_;
  const crypto::Tenant owner_;
  const File file_;
  const ports::FileKey object_;
  crypto::StreamOpener opener_;
  const crypto::StreamLayout layout_;
  Bytes sealed_;  // whole frames, from sealed_from_ on
  std::uint64_t sealed_from_ = 0;
  Bytes plain_;  // one frame
};

}  // namespace memseal::knowledge
