#pragma once
// The sealed blob SB1 and the types that only sealing and opening can make.
//
//   SB1 = format 0x01 (1) ‖ key_id u32 (4) ‖ nonce (12) ‖ ciphertext (n) ‖ tag (16), big-endian
//   AAD = "MEMSEAL1" (8) ‖ format (1) ‖ key_id (4) ‖ field (1) ‖ 0 (2) ‖ user_hash (32)
//         ‖ object id (16) ‖ first 16 bytes of SHA-256(doc_id) ‖ chunk_index u32 (4)   = 84 bytes
//
// AES-256-GCM with random 96-bit nonces, at most 2^28 seals a key. A blob that was moved to another
// tenant, row, column, document or position does not open.
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/crypto/tenant.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::crypto {

/// What a blob holds. Part of the AAD, so that a meta never opens as a text.
enum class Field : std::uint8_t {
  text = 1,
  meta = 2,
  embedding = 3,
  document_name = 4,
  document_meta = 5,
  wrapped_key = 6,
  dead_letter = 7,
  terms = 8,
  event = 9,
};

/// What a blob is bound to besides its tenant, key and field: the one row and position that the
/// blob opens for.
struct SealBinding {
  Uuid object;                   ///< chunk id, document id or event id
  std::string_view doc_id = {};  ///< empty where the object belongs to no document
  std::uint32_t chunk_index = 0;
};

/// One tenant's content key (DEK), unwrapped. `id` counts its generations from 1.
struct TenantKey {
  std::uint32_t id = 0;
  SecretBytes key;  ///< 32 bytes
};

inline constexpr std::size_t seal_overhead = 33;

/// What is sealed of a chunk.
/// Lifetime: the views need to live for the call only.
struct ChunkPlain {
  std::string_view text;
  std::string_view meta_json;        ///< empty: meta_cipher stays empty
  std::span<const float> embedding;  ///< L2-normalised, D floats
};

/// What is stored of a chunk in the clear: names, position and labels.
struct ChunkHeader {
  Uuid id;
  DocId doc_id;
  Origin origin;
  std::int32_t chunk_index = 0;
  std::int32_t char_start = 0, char_end = 0;
  std::vector<std::string> tags;
  std::string model;                               ///< name of the embedder
  std::optional<std::int64_t> expires_at_ms = {};  ///< Unix milliseconds
  std::optional<std::int64_t> created_at_ms = {};  ///< Unix milliseconds; empty: when it is stored
  /// Names the vector (EmbedMac). Of equal ones in a document only the first chunk has it.
  std::optional<Uuid> embed_mac = {};
};

/// A row of app.memory_chunks as it is stored. Only Sealer::seal makes one, so that plaintext
/// cannot reach the database.
class SealedChunk {
 public:
  const ChunkHeader& header() const noexcept { return header_; }
  const Bytes& text_cipher() const noexcept { return text_cipher_; }
  const Bytes& meta_cipher() const noexcept { return meta_cipher_; }  ///< empty: no meta
  const std::vector<float>& embedding() const noexcept { return embedding_; }
  std::size_t bytes() const noexcept;  ///< approximate size, for queue bounds

 private:
  friend class Sealer;
  explicit SealedChunk(ChunkHeader header) : header_(std::move(header)) {}
  ChunkHeader header_;
  Bytes text_cipher_, meta_cipher_;
  std::vector<float> embedding_;
};

/// A row of app.term_blocks as it is stored: the terms of some chunks of one document, which are
/// deleted together. Only Sealer::seal_terms makes one.
class SealedTerms {
 public:
  const Uuid& first_chunk() const noexcept { return first_chunk_; }
  const DocId& doc_id() const noexcept { return doc_id_; }
  const Bytes& cipher() const noexcept { return cipher_; }

 private:
  friend class Sealer;
  SealedTerms(const Uuid& first_chunk, DocId doc_id, Bytes cipher)
      : first_chunk_(first_chunk), doc_id_(std::move(doc_id)), cipher_(std::move(cipher)) {}
  Uuid first_chunk_;
  DocId doc_id_;
  Bytes cipher_;
};

/// How well a candidate answers by its words, and by meaning and words together.
struct HybridScore {
  float lexical = 0;  ///< BM25; 0: it has no word of the question, or its terms are not stored
  float fused = 0;    ///< 0 … 1 among the candidates of one search
};

/// A search hit as the database returned it: still sealed.
struct SealedCandidate {
  Uuid id;
  std::string doc_id;
  Origin origin = Origin::upload;
  std::int32_t chunk_index = 0, char_start = 0, char_end = 0;
  std::vector<std::string> tags;
  std::int64_t created_at_ms = 0;
  float distance = 0;  ///< cosine distance to the query, 0…2
  Bytes text_cipher, meta_cipher;
  std::optional<HybridScore> hybrid = {};  ///< empty: only vectors were compared
};

/// An opened hit. Only Sealer::open makes one, so that every text that is reranked or streamed has
/// passed the authentication tag of its tenant's key.
class Passage {
 public:
  const SealedCandidate& from() const noexcept { return from_; }  ///< ciphers emptied
  const std::string& text() const noexcept { return text_; }
  const std::string& meta_json() const noexcept { return meta_json_; }
  float distance() const noexcept { return from_.distance; }

 private:
  friend class Sealer;
  Passage() = default;
  SealedCandidate from_;
  std::string text_, meta_json_;
};

/// Seals and opens.
/// Thread: any. Each thread has its own batch of nonces, and keeps the cipher contexts of the 8
/// keys that it used last, so that a key is expanded once.
/// Throws Outage when the random generator has no entropy, Refused{bad_config} when OpenSSL cannot
/// compute.
class Sealer {
 public:
  /// Seals 1 to limits::seal_bytes_max bytes.
  /// Error: seal_failed for any other number of bytes.
  static Result<Bytes> seal(const Tenant& owner, const TenantKey& key, Field field,
                            const SealBinding& binding, ByteView plain);
  /// Error: open_failed, one for every cause, so that an answer does not tell causes apart.
  /// No plaintext leaves before its tag is verified.
  static Result<SecretBytes> open(const Tenant& owner, const TenantKey& key, Field field,
                                  const SealBinding& binding, ByteView sealed);

  static Result<SealedChunk> seal(const Tenant& owner, const TenantKey& key, ChunkHeader header,
                                  const ChunkPlain& plain);
  static Result<Passage> open(const Tenant& owner, const TenantKey& key, SealedCandidate candidate);

  /// Seals a block of terms (lexical/term_block.hpp), bound to its document and first chunk.
  static Result<SealedTerms> seal_terms(const Tenant& owner, const TenantKey& key,
                                        const Uuid& first_chunk, DocId doc_id, ByteView block);
  /// Opens it. Error: open_failed.
  static Result<SecretBytes> open_terms(const Tenant& owner, const TenantKey& key,
                                        const Uuid& first_chunk, std::string_view doc_id,
                                        ByteView sealed);

  /// The key generation that a blob names. Reads no secret.
  /// Error: key_invalid for bytes that are no SB1 blob.
  static Result<std::uint32_t> key_id_of(ByteView sealed);

  /// Call after an erasure or a rotation: each thread wipes all its cached contexts before it next
  /// seals or opens.
  static void forget_cached_keys() noexcept;
};

}  // namespace memseal::crypto
