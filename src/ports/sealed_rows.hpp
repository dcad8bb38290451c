#pragma once
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// The ciphers of a chunk, and what they are bound to.
struct SealedTexts {
  Uuid id;
  std::string doc_id;
  std::int32_t chunk_index = 0;
  Bytes text, meta;  ///< meta may be empty
};

/// The sealed name of a document.
struct SealedName {
  std::string doc_id;
  Bytes name;
};

/// A row as it was read, and what it is to hold.
template <class Row>
struct Resealed {
  Row before, after;
};

/// The sealed texts of one tenant, for sealing them again under another key.
/// Throws Outage when the database is unavailable. Thread: any executor.
class SealedRows {
 public:
  virtual ~SealedRows() = default;
  /// Chunks whose text another key than `key_id` sealed, by their ids, after `after`.
  virtual asio::awaitable<std::vector<SealedTexts>> texts(runtime::RequestContext context,
                                                          crypto::Tenant owner,
                                                          std::uint32_t key_id, Uuid after,
                                                          std::size_t rows_max) = 0;
  /// Names that another key than `key_id` sealed, by their documents' ids, after `after`.
  virtual asio::awaitable<std::vector<SealedName>> names(runtime::RequestContext context,
                                                         crypto::Tenant owner,
                                                         std::uint32_t key_id, std::string after,
                                                         std::size_t rows_max) = 0;
  /// Replaces ciphers in one transaction and counts the seals. A row that is not as it was read,
  /// because it was written or deleted meanwhile, stays. Returns how many were replaced.
  virtual asio::awaitable<std::int64_t> replace(runtime::RequestContext context,
                                                crypto::Tenant owner,
                                                std::vector<Resealed<SealedTexts>> rows) = 0;
  virtual asio::awaitable<std::int64_t> replace(runtime::RequestContext context,
                                                crypto::Tenant owner,
                                                std::vector<Resealed<SealedName>> rows) = 0;
};

}  // namespace memseal::ports
