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

/// One file as its row holds it.
struct FileRow {
  Uuid id;
  Uuid name_mac;      ///< keyed hash of the name, which tells equal names
  Bytes name_cipher;  ///< SB1, field document_name, at SealBinding{id}
  std::string media_type;
  std::vector<std::string> tags;
  std::int64_t bytes = 0;          ///< of the content
  crypto::Digest content{};        ///< crypto::ContentHash of the content
  std::int64_t created_at_us = 0;  ///< Unix microseconds; add() sets it
};

/// What a tenant's files take, or may take.
struct FileUse {
  std::int64_t bytes = 0, files = 0;
};

enum class FileAdded {
  added,
  twin,        ///< the tenant has a file of this name and content; nothing changed
  over_quota,  ///< nothing changed
};

struct AddedFile {
  FileAdded outcome = FileAdded::added;
  FileRow row;  ///< of the new file, or of its twin
  FileUse use;  ///< before the call
};

/// The place of a row in the list: newest first, equal times in the falling order of ids.
struct FileMark {
  std::int64_t created_at_us = 0;
  Uuid id;
};

/// Throws Outage when the database is unavailable. Thread: any executor.
class FileCatalog {
 public:
  virtual ~FileCatalog() = default;
  /// Adds a file unless the tenant's use would then exceed `quota`. Two calls for one tenant take
  /// turns. Throws Refused{tenant_erased} for an erased tenant.
  virtual asio::awaitable<AddedFile> add(runtime::RequestContext context, crypto::Tenant owner,
                                         FileRow row, FileUse quota) = 0;
  virtual asio::awaitable<FileUse> use(runtime::RequestContext context, crypto::Tenant owner) = 0;
  /// Empty when this tenant has no such file.
  virtual asio::awaitable<std::optional<FileRow>> find(runtime::RequestContext context,
                                                       crypto::Tenant owner, Uuid id) = 0;
  /// At most `rows_max` files behind `after`.
  virtual asio::awaitable<std::vector<FileRow>> list(runtime::RequestContext context,
                                                     crypto::Tenant owner,
                                                     std::optional<FileMark> after,
                                                     std::size_t rows_max) = 0;
  /// Returns the row that was removed; empty when this tenant has no such file.
  virtual asio::awaitable<std::optional<FileRow>> remove(runtime::RequestContext context,
                                                         crypto::Tenant owner, Uuid id) = 0;
};

}  // namespace memseal::ports
