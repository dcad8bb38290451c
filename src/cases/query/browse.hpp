#pragma once
// Shows what is stored of one tenant: the documents, the conversations, the texts of each.
#include "cases/query/metrics.hpp"
#include "ports/stored_memory.hpp"
#include "ports/tenant_keys.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <string>
#include <vector>

namespace memseal::query {

namespace asio = boost::asio;

/// Everything that it refers to outlives it, and the threads of `cpu` too.
struct BrowseDeps {
  ports::StoredMemory& stored;
  ports::TenantKeys& keys;
  const crypto::IdDeriver& ids;
  asio::thread_pool& cpu;  ///< opens the seals, so that the caller's loop goes on meanwhile
  QueryMetrics& metrics;
};

/// A document or a conversation whose seals were opened.
struct Shown {
  ports::ListedMemory memory;  ///< its cipher emptied
  std::string name;            ///< empty: it has none, or it does not open
  std::string meta_json;       ///< of its first chunk; show() alone fills it
};

struct ShownPage {
  std::vector<Shown> items;
  bool more = false;
};

/// Up to `limit` documents or conversations whose id is behind `after`, by the bytes of their ids.
/// Throws Failure when the database or the keys fail, as the functions below.
asio::awaitable<ShownPage> list_memory(const BrowseDeps& deps, runtime::RequestContext context,
                                       crypto::Tenant who, ports::MemoryKind kind,
                                       std::string after, std::size_t limit);

/// One of them. Empty when this tenant has none of this id.
asio::awaitable<std::optional<Shown>> show_memory(const BrowseDeps& deps,
                                                  runtime::RequestContext context,
                                                  crypto::Tenant who, ports::MemoryKind kind,
                                                  DocId id);

struct TextPage {
  std::vector<crypto::Passage> passages;   ///< without those that do not open
  std::size_t unopened = 0;                ///< how many those were
  std::optional<ports::ChunkPlace> next;   ///< of the next page's ChunkRange; empty: there is none
};

/// The texts of one document or conversation. Empty when this tenant has none of this id. A row
/// that does not open is left out and counted, because one damaged row must not hide the others.
asio::awaitable<std::optional<TextPage>> read_memory(const BrowseDeps& deps,
                                                     runtime::RequestContext context,
                                                     crypto::Tenant who, ports::ChunkRange range);

}  // namespace memseal::query
