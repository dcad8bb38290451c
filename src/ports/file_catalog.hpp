#pragma once
// Which files a tenant has. What they hold lies in the FileStore.
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// One file as its row holds it. Only sizes and times stand in the clear.
struct FileRow {
  Uuid id;                      ///< what its owner calls it
  Uuid object;                  ///< FileKey::file of what it holds
  Uuid name_mac;                ///< crypto::FileHasher::name(): tells equal names
  std::vector<Uuid> tag_macs;   ///< crypto::FileHasher::tag()
  Bytes facts_cipher;           ///< SB1, field document_meta, at SealBinding{id}
  std::int64_t bytes = 0;       ///< of the content
  crypto::Digest content{};     ///< crypto::ContentHash of the content
  std::int64_t created_at_us = 0;  ///< Unix microseconds; add() sets it
};

/// What a tenant's files take, or may take.
struct FileUse {
  std::int64_t bytes = 0, files = 0;
};

/// What an upload that begins has to know.
struct FileRoom {
  FileUse use;
  /// Bytes of the tenant's largest file of the same name. An upload of no more bytes may be sent
  /// again and then takes no room.
  std::optional<std::int64_t> namesake_bytes;
};

enum class FileAdded {
  added,
  twin,        ///< the tenant has a file of this name and content; nothing changed
  id_taken,    ///< the tenant has another file of this id; nothing changed
  over_quota,  ///< nothing changed
};

struct AddedFile {
  FileAdded outcome = FileAdded::added;
  FileRow row;  ///< of the new file, of its twin, or of the file that has its id
  FileUse use;  ///< before the call
};

/// The place of a row in the list: newest first, equal times in the falling order of ids.
struct FileMark {
  std::int64_t created_at_us = 0;
  Uuid id;
};

/// Which files a list has.
struct FileListing {
  std::optional<FileMark> after;         ///< behind this place
  std::vector<Uuid> tag_macs;            ///< that have all these tags
  std::optional<std::int64_t> from_us;   ///< created then or later
  std::optional<std::int64_t> until_us;  ///< created before
  std::size_t rows_max = 50;
};

/// Which store belongs to this database.
struct StoreClaim {
  Uuid store;
  bool used = false;  ///< a store of this id has existed
};

/// Throws Outage when the database is unavailable. Thread: any executor.
class FileCatalog {
 public:
  virtual ~FileCatalog() = default;
  /// Adds a file unless the tenant's use would then exceed `quota`. A twin is found first, so it
  /// needs no room. Two calls for one tenant take turns.
  /// Throws Refused{tenant_erased} for an erased tenant.
  virtual asio::awaitable<AddedFile> add(runtime::RequestContext context, crypto::Tenant owner,
                                         FileRow row, FileUse quota) = 0;
  /// Gives the file `id` another object of the same content. False: it has gone, or its object is
  /// no longer `from`.
  virtual asio::awaitable<bool> replace_object(runtime::RequestContext context,
                                               crypto::Tenant owner, Uuid id, Uuid from,
                                               Uuid to) = 0;
  virtual asio::awaitable<FileRoom> room(runtime::RequestContext context, crypto::Tenant owner,
                                         Uuid name_mac) = 0;
  /// Empty when this tenant has no such file.
  virtual asio::awaitable<std::optional<FileRow>> find(runtime::RequestContext context,
                                                       crypto::Tenant owner, Uuid id) = 0;
  /// The same of a database that takes writes, so that no standby answers from the past.
  virtual asio::awaitable<std::optional<FileRow>> find_now(runtime::RequestContext context,
                                                           crypto::Tenant owner, Uuid id) = 0;
  /// Whether a row names this object, in a database that takes writes.
  virtual asio::awaitable<bool> names_object(runtime::RequestContext context,
                                             crypto::Tenant owner, Uuid object) = 0;
  virtual asio::awaitable<std::vector<FileRow>> list(runtime::RequestContext context,
                                                     crypto::Tenant owner,
                                                     FileListing listing) = 0;
  /// Returns the row that was removed; empty when this tenant has no such file.
  virtual asio::awaitable<std::optional<FileRow>> remove(runtime::RequestContext context,
                                                         crypto::Tenant owner, Uuid id) = 0;

  /// The claim under `deployment`; where there is none yet, `proposed` becomes it.
  virtual asio::awaitable<StoreClaim> claim_store(runtime::RequestContext context,
                                                  crypto::Tenant deployment, Uuid proposed) = 0;
  virtual asio::awaitable<void> mark_store_used(runtime::RequestContext context,
                                                crypto::Tenant deployment) = 0;
};

}  // namespace memseal::ports
