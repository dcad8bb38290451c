#pragma once
// Keyed hashes of what vectors are made of, by which an edited document keeps the vectors of the
// chunks that stayed as they were.
#include "pure/crypto/content_hash.hpp"
#include "pure/crypto/sealer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace memseal::crypto {

/// HMAC-SHA256(HKDF(DEK, "memseal/embedded/v1"), SHA-256(doc_id) ‖ dimension ‖ length of model
/// ‖ model ‖ number of tokens ‖ tokens ‖ text), as a UUID v8; numbers are u32, big-endian.
/// Equal MACs are of one vector: the same embedder gave it for the same text, cut in the same way.
/// Two tenants, two documents or two generations of a key have unrelated MACs for one text, so that
/// who reads the database learns from them at most that a text of one document stayed in its place.
/// Thread: one at a time. Throws Refused{bad_config} where OpenSSL cannot compute.
class EmbedMac {
 public:
  EmbedMac(const TenantKey& key, const DocId& doc, std::string_view model, std::size_t dimension);

  /// `tokens`: the ids that a model in this process reads. `text`: what one elsewhere reads.
  Uuid of(std::span<const std::int32_t> tokens, std::string_view text) const;

 private:
  ContentHash keyed_;  ///< has read what is common to the document's chunks
};

}  // namespace memseal::crypto
