#pragma once
// A user's files: what is known of them, and how they are listed and removed.
#include "ports/file_catalog.hpp"
#include "ports/file_store.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

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
};

/// Everything that it refers to must outlive it.
/// Thread: any that the ports allow.
struct KnowledgeDeps {
  ports::FileStore& store;
  ports::FileCatalog& catalog;
  ports::TenantKeys& keys;
  const crypto::IdDeriver& ids;
  Limits limits = {};
};

/// One file, as its owner sees it.
struct File {
  Uuid id;
  std::string name;
  std::string media_type;
  std::vector<std::string> tags;
  std::int64_t bytes = 0;
  std::int64_t created_at_ms = 0;  ///< Unix milliseconds
};

struct FilePage {
  std::vector<File> files;
  std::optional<ports::FileMark> next;  ///< empty: no file follows
};

/// Opens the name of a row. Throws Refused{open_failed} where it does not open.
asio::awaitable<File> file_of(const KnowledgeDeps& deps, runtime::RequestContext context,
                              crypto::Tenant owner, ports::FileRow row);

/// Empty when this user has no such file.
asio::awaitable<std::optional<File>> find_file(const KnowledgeDeps& deps,
                                               runtime::RequestContext context,
                                               crypto::Tenant owner, Uuid id);
/// At most `files_max` files behind `after`, newest first.
asio::awaitable<FilePage> list_files(const KnowledgeDeps& deps, runtime::RequestContext context,
                                     crypto::Tenant owner, std::optional<ports::FileMark> after,
                                     std::size_t files_max);
/// Removes the row, then the object. False when this user has no such file.
/// NOTE: where the object cannot be removed now, sweep() removes it later; the file is gone for its
///       owner all the same.
asio::awaitable<bool> remove_file(const KnowledgeDeps& deps, runtime::RequestContext context,
                                  crypto::Tenant owner, Uuid id);

/// What a sweep removed.
struct Swept {
  std::size_t unfinished = 0;  ///< uploads that their process left behind
  std::size_t orphans = 0;     ///< objects without a row
};

/// Removes objects that no row names and that were stored before `stored_before_ms`, a time by
/// which their uploads have added the row or have failed; and what unfinished uploads left.
asio::awaitable<Swept> sweep(const KnowledgeDeps& deps, const crypto::TenantKeyer& tenants,
                             runtime::RequestContext context, std::int64_t stored_before_ms);

}  // namespace memseal::knowledge
