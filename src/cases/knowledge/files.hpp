#pragma once
// A user's files: what is known of them, and how they are listed, removed and swept.
#include "cases/knowledge/metrics.hpp"
#include "cases/knowledge/transfers.hpp"
#include "ports/file_catalog.hpp"
#include "ports/file_store.hpp"
#include "ports/tenant_keys.hpp"
#include "ports/text_extractor.hpp"
#include "pure/crypto/content_hash.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace memseal::knowledge {

namespace asio = boost::asio;

/// What one user may store.
struct Limits {
  std::int64_t file_bytes_max = std::int64_t{256} << 20;
  ports::FileUse quota{std::int64_t{1} << 30, 10'000};
  std::int64_t uploads_max = 4;    ///< at one time, in this process
  std::int64_t downloads_max = 8;  ///< at one time, in this process
  std::int64_t upload_bytes_per_s_min = 1'024;  ///< slower uploads are ended
};

/// Everything that it refers to must outlive it.
/// Thread: any that the ports allow.
struct KnowledgeDeps {
  ports::FileStore& store;
  ports::FileCatalog& catalog;
  ports::TenantKeys& keys;
  const crypto::FileHasher& hasher;
  Transfers& uploads;
  Transfers& downloads;
  KnowledgeMetrics& metrics;
  Limits limits = {};
  ports::TextExtractor* extractor = nullptr;  ///< null: only texts in UTF-8 are indexed
};

/// What a client says of a file. Texts are well-formed UTF-8.
struct FileFacts {
  std::string name;  ///< 1 to 255 bytes
  std::string media_type;
  std::vector<std::string> tags;
  /// Of the content, 64 hex digits in lower case. Empty: the client did not say it.
  std::string sha256 = {};
};

/// One file, as its owner sees it.
struct File {
  Uuid id;
  FileFacts facts;
  std::int64_t bytes = 0;
  std::int64_t created_at_ms = 0;  ///< Unix milliseconds
  /// Differs for any two contents that this id has had, in hex: after a removal a key of a request
  /// may give its id to another content.
  std::string version = {};
};

/// Which files a page has.
struct FileQuery {
  std::optional<ports::FileMark> after;
  std::vector<std::string> tags;          ///< that have all of them
  std::optional<std::int64_t> from_ms;    ///< created then or later, Unix milliseconds
  std::optional<std::int64_t> until_ms;   ///< created before
  std::size_t files_max = 50;
};

struct FilePage {
  std::vector<File> files;
  std::optional<ports::FileMark> next;  ///< empty: no file follows
};

/// Empty when this user has no such file. Where a standby has no row, a database that takes writes
/// is asked, because the standby may lack the newest rows.
asio::awaitable<std::optional<File>> find_file(const KnowledgeDeps& deps,
                                               runtime::RequestContext context,
                                               crypto::Tenant owner, Uuid id);
/// Newest first.
asio::awaitable<FilePage> list_files(const KnowledgeDeps& deps, runtime::RequestContext context,
                                     crypto::Tenant owner, FileQuery query);
/// Removes the row, then the object. False when this user has no such file.
/// NOTE: where the object cannot be removed now, sweep() removes it later; the file is gone for its
///       owner all the same.
asio::awaitable<bool> remove_file(const KnowledgeDeps& deps, runtime::RequestContext context,
                                  crypto::Tenant owner, Uuid id);

/// Ties the store to the database, or makes sure that it is the one that is tied to it. Call before
/// the first upload: a foreign or a missing store would take uploads and lose the files.
/// Throws Refused{bad_config} for a store of another database, and for one that is not there.
asio::awaitable<void> claim_store(const KnowledgeDeps& deps, const crypto::TenantKeyer& tenants,
                                  runtime::RequestContext context);

/// An object younger than this is no orphan. Its row may be on its way, or a clock be wrong; and
/// where an older backup of the database was restored, the rows of the newest files are missing
/// until somebody notices.
inline constexpr std::chrono::hours orphan_age{14 * 24};

/// What a sweep did.
struct Swept {
  std::size_t unfinished = 0;  ///< removed: uploads that their process left behind
  std::size_t orphans = 0;     ///< removed: objects without a row
  std::size_t failures = 0;    ///< tenants whose objects could not be judged; the next sweep will
};

/// Removes objects that no row names, and what unfinished uploads left.
/// Throws as claim_store(), before it removes anything.
asio::awaitable<Swept> sweep(const KnowledgeDeps& deps, const crypto::TenantKeyer& tenants,
                             runtime::RequestContext context, std::int64_t now_ms);

}  // namespace memseal::knowledge
