#pragma once
#include "base/ids.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// A document and a conversation may have one id, and are two things all the same.
enum class MemoryKind { document, conversation };

/// A document or a conversation, as a list shows it. The name is still sealed.
struct ListedMemory {
  std::string id;
  Origin origin = Origin::upload;
  Bytes name_cipher = {};    ///< SB1, field document_name; empty: it has no name
  std::int64_t chunks = 0;   ///< that have not expired
  std::int64_t created_at_ms = 0, updated_at_ms = 0;
  std::int64_t first_at_ms = 0, last_at_ms = 0;    ///< of its chunks: when turns were said
  std::optional<std::int64_t> expires_at_ms = {};  ///< when its first chunk expires
  std::vector<std::string> tags = {};              ///< of a document
};

/// A place in the order of chunks.
struct ChunkPlace {
  std::int64_t at_us = 0;  ///< Unix microseconds
  std::int32_t index = 0;
  Uuid id = {};
};

struct ListedChunk {
  ChunkPlace place;
  crypto::SealedCandidate chunk;  ///< without a distance
};

/// What a client asks of the chunks of one document or conversation.
struct ChunkRange {
  MemoryKind kind;
  DocId id;
  std::optional<ChunkPlace> after = {};  ///< those behind this place in the order
  bool newest_first = false;
  std::size_t limit = 0;
};

/// What is stored, by name and not by likeness. Throws Outage{unavailable | timeout}.
class StoredMemory {
 public:
  virtual ~StoredMemory() = default;
  /// Up to `limit` whose id is behind `after`, in the order of the bytes of their ids.
  virtual asio::awaitable<std::vector<ListedMemory>> list(runtime::RequestContext context,
                                                          crypto::Tenant owner, MemoryKind kind,
                                                          std::string after,
                                                          std::size_t limit) = 0;
  /// Empty when this tenant has none of this id.
  virtual asio::awaitable<std::optional<ListedMemory>> find(runtime::RequestContext context,
                                                            crypto::Tenant owner, MemoryKind kind,
                                                            DocId id) = 0;
  /// In the order of the document, or in which the turns were said.
  virtual asio::awaitable<std::vector<ListedChunk>> chunks(runtime::RequestContext context,
                                                           crypto::Tenant owner,
                                                           ChunkRange range) = 0;
  /// Whether something of it is stored, also if it has expired, or a write of it is announced.
  virtual asio::awaitable<bool> is_known(runtime::RequestContext context, crypto::Tenant owner,
                                         MemoryKind kind, DocId id) = 0;
};

}  // namespace memseal::ports
