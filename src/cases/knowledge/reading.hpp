#pragma once
#include "cases/knowledge/files.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace memseal::knowledge {

class OpenObject;

/// A place among the downloads of this user, held until the ticket ends.
/// Error: rate_limited, where the user has as many as one may have at one time.
Result<Transfers::Ticket> admit_download(const KnowledgeDeps& deps, const crypto::Tenant& owner);

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
  /// the next call. Throws Refused{not_found} where the file was removed meanwhile, and as begin().
  /// REQUIRES: offset < file().bytes, bytes_max > 0.
  asio::awaitable<ByteView> read(runtime::RequestContext context, std::uint64_t offset,
                                 std::size_t bytes_max);

 private:
  Reading(const KnowledgeDeps& deps, crypto::Tenant owner, File file, Uuid object_id,
          std::unique_ptr<OpenObject> object);

  const KnowledgeDeps& deps_;
  const crypto::Tenant owner_;
  const File file_;
  const Uuid object_id_;
  const std::unique_ptr<OpenObject> object_;
};

}  // namespace memseal::knowledge
