#pragma once
// Where the originals of files lie, sealed. The port has the shape of an object store: an object is
// written in parts from front to back and is then there as a whole, or not at all; parts of it can
// be read; it never changes. There is no seek, no append to what exists, and no rename.
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/sealed_stream.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// The name of an object within its tenant: what it holds and for which file.
/// NOTE: two files of equal content are two objects, so that removing one never takes the other's.
struct FileKey {
  crypto::Digest content{};  ///< crypto::ContentHash of the plaintext
  Uuid file;                 ///< the stream is bound to it

  friend auto operator<=>(const FileKey&, const FileKey&) = default;
};

/// A part of an object.
struct FilePiece {
  Bytes bytes;              ///< as many as were asked for, fewer at the end
  std::uint64_t total = 0;  ///< length of the whole object
};

/// An object in a list.
struct StoredFile {
  FileKey key;
  std::uint64_t bytes = 0;
  std::int64_t stored_at_ms = 0;  ///< Unix milliseconds
};

struct FilesOfTenant {
  UserHash owner;
  std::vector<StoredFile> files;
  bool readable = true;  ///< false: the list fails now, and may be incomplete
};

/// An object that its upload has let go and that nobody else holds. Lifetime: the store outlives
/// it.
class HeldFile {
 public:
  virtual ~HeldFile() = default;
  virtual asio::awaitable<void> remove(runtime::RequestContext context) = 0;
};

/// One object on its way in. Destroyed before commit(), it leaves nothing behind.
/// Lifetime: the store outlives it. After an exception it may only be destroyed.
class FileUpload {
 public:
  virtual ~FileUpload() = default;
  /// Takes the next part. Returns when the store has taken it over, which bounds what waits: at
  /// most one part is still on its way then. Throws for a part before it too; commit() throws for
  /// the last one.
  virtual asio::awaitable<void> append(runtime::RequestContext context,
                                       crypto::SealedPart part) = 0;
  /// The object is on disk and can be read under `key` once this returns; before, nobody sees it.
  /// Until the upload is destroyed, hold() does not return the object.
  virtual asio::awaitable<void> commit(runtime::RequestContext context, FileKey key) = 0;
};

/// Throws Outage{unavailable} when the store does not answer or is full, Refused{bad_config} when
/// its set-up is wrong. The messages are for clients, so they name no place.
/// Thread: any executor.
class FileStore {
 public:
  virtual ~FileStore() = default;
  virtual asio::awaitable<std::unique_ptr<FileUpload>> begin(runtime::RequestContext context,
                                                             crypto::Tenant owner) = 0;
  /// Reads at most `bytes_max` bytes from `offset` on. Empty where there is no such object.
  virtual asio::awaitable<std::optional<FilePiece>> read(runtime::RequestContext context,
                                                         crypto::Tenant owner, FileKey key,
                                                         std::uint64_t offset,
                                                         std::size_t bytes_max) = 0;
  /// False: there was no such object.
  virtual asio::awaitable<bool> remove(runtime::RequestContext context, crypto::Tenant owner,
                                       FileKey key) = 0;

  /// Removes every object of a tenant who was erased. Returns how many. An upload that goes on
  /// removes its own object, because its row is refused.
  virtual asio::awaitable<std::size_t> remove_all(runtime::RequestContext context,
                                                  crypto::Tenant owner) = 0;

  /// Null where there is no such object, or its upload goes on.
  virtual asio::awaitable<std::unique_ptr<HeldFile>> hold(runtime::RequestContext context,
                                                          crypto::Tenant owner, FileKey key) = 0;
  /// The mark that this store carries; empty: none yet.
  virtual asio::awaitable<std::optional<Uuid>> mark(runtime::RequestContext context) = 0;
  /// Marks the store for ever and returns its mark: `wanted`, or the one that it had already.
  /// Throws Refused{bad_config} where a store without a mark holds objects.
  virtual asio::awaitable<Uuid> ensure_mark(runtime::RequestContext context, Uuid wanted) = 0;

  /// Removes what uploads left behind that ended without commit(), e.g. with their process. Leaves
  /// the uploads alone that go on, also in other processes. Returns how many.
  virtual asio::awaitable<std::size_t> sweep_unfinished(runtime::RequestContext context) = 0;
  /// The objects of the first tenant after `after` in the order of hashes; empty after the last.
  virtual asio::awaitable<std::optional<FilesOfTenant>> next_tenant(
      runtime::RequestContext context, std::optional<UserHash> after) = 0;
};

}  // namespace memseal::ports
