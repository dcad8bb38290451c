#include "pure/crypto/sealer.hpp"

#include "base/limits.hpp"
#include "base/on_exit.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/internal/gcm.hpp"
#include "pure/crypto/internal/sb1.hpp"

#include <algorithm>
#include <bit>

namespace memseal::crypto {

namespace {

constexpr std::uint8_t format_1 = 0x01;
constexpr std::size_t header_bytes = 1 + 4 + sizeof(Nonce);
static_assert(header_bytes + gcm_tag_bytes == seal_overhead);
static_assert(std::endian::native == std::endian::little, "sealed vectors are little-endian");

using Aad = std::array<std::uint8_t, 84>;
using DocPart = std::array<std::uint8_t, 16>;

Error cannot_seal(const char* why) { return {Errc::seal_failed, why}; }
Error cannot_open() { return {Errc::open_failed, "the sealed value does not open"}; }

// Chunks come in runs of one document, and hashing its name costs half as much as a seal.
const DocPart& doc_part(std::string_view doc_id) {
  thread_local std::string last_id;
  thread_local DocPart last_part{};
  // A flag, because an empty name is a valid one: objects without a document have it.
  thread_local bool known = false;
  if (!known || last_id != doc_id) {
    // sha256() may throw. The old part must not stay under the new name.
    known = false;
    const auto digest = sha256(bytes_of(doc_id));
    std::copy_n(digest.begin(), last_part.size(), last_part.begin());
    last_id = doc_id;
    known = true;
  }
  return last_part;
}

// Every part has a fixed width, so no two bindings give the same bytes. Moving a blob to another
// row, column, tenant or document changes these bytes, and its tag is then wrong.
Aad aad_of(const UserHash& user, std::uint32_t key_id, Field field, const SealBinding& binding) {
  Aad aad;
  auto* to = aad.data();
  const auto put = [&to](ByteView bytes) { to = std::copy(bytes.begin(), bytes.end(), to); };
  put(bytes_of("MEMSEAL1"));
  *to++ = format_1;
  put(big_endian(key_id));
  *to++ = static_cast<std::uint8_t>(field);
  *to++ = 0;
  *to++ = 0;
  put(user.bytes);
  put(binding.object.bytes);
  put(doc_part(binding.doc_id));
  put(big_endian(binding.chunk_index));
  return aad;
}

bool usable(const TenantKey& key) { return key.id != 0 && key.key.size() == gcm_key_bytes; }

// Opens into this thread's scratch memory, hands the verified plaintext to `take`, and wipes the
// scratch memory. If the tag is wrong, `take` is not called, so no byte leaves.
template <class Take>
Result<void> open_to(const UserHash& user, const TenantKey& key, Field field,
                     const SealBinding& binding, ByteView sealed, Take take) {
  if (sealed.size() <= seal_overhead || sealed.size() > limits::seal_bytes_max + seal_overhead ||
      sealed[0] != format_1 || !usable(key) || read_u32(sealed.data() + 1) != key.id)
    return cannot_open();
  Nonce nonce;
  std::copy_n(sealed.begin() + 5, nonce.size(), nonce.begin());
  const auto cipher = sealed.subspan(header_bytes, sealed.size() - seal_overhead);
  const auto* tag = sealed.data() + sealed.size() - gcm_tag_bytes;
  const auto aad = aad_of(user, key.id, field, binding);
  auto& gcm = keyed(key.key.view());

  thread_local Bytes scratch;
  if (scratch.size() < cipher.size()) scratch.resize(cipher.size());
  // GCM decrypts before it knows whether the tag is right, so unverified plaintext lies here even
  // when the call fails.
  const OnExit clean([&] { wipe(scratch.data(), cipher.size()); });
  if (!gcm.open(nonce, aad, cipher, tag, scratch.data())) return cannot_open();
  return take(ByteView(scratch).first(cipher.size()));
}

Result<void> open_text(const Tenant& owner, const TenantKey& key, Field field,
                       const SealBinding& binding, ByteView sealed, std::string& text) {
  return open_to(owner.hash(), key, field, binding, sealed,
                 [&text](ByteView plain) -> Result<void> {
                   text.assign(text_of(plain));
                   return {};
                 });
}

}  // namespace

std::size_t SealedChunk::bytes() const noexcept {
  std::size_t size = sizeof *this + text_cipher_.size() + meta_cipher_.size() +
                     embedding_.size() * sizeof(float) + header_.doc_id.value().size() +
                     header_.model.size();
  for (const auto& tag : header_.tags) size += sizeof tag + tag.size();
  return size;
}

Result<Bytes> seal_sb1(const UserHash& user, const TenantKey& key, Field field,
                       const SealBinding& binding, ByteView plain) {
  // An empty text has no reason to be stored, and open_to() refuses it for being too short.
  if (plain.empty() || plain.size() > limits::seal_bytes_max)
    return cannot_seal("only 1 to 65,536 bytes can be sealed");
  if (!usable(key)) return cannot_seal("a sealing key has 32 bytes and an id from 1");
  const auto aad = aad_of(user, key.id, field, binding);
  const auto nonce = next_nonce();
  Bytes sealed(plain.size() + seal_overhead);
  sealed[0] = format_1;
  const auto key_id = big_endian(key.id);
  std::copy(key_id.begin(), key_id.end(), sealed.begin() + 1);
  std::copy(nonce.begin(), nonce.end(), sealed.begin() + 5);
  auto* cipher = sealed.data() + header_bytes;
  if (!keyed(key.key.view()).seal(nonce, aad, plain, cipher, cipher + plain.size()))
    return cannot_seal("AES-256-GCM failed");
  return sealed;
}

Result<SecretBytes> open_sb1(const UserHash& user, const TenantKey& key, Field field,
                             const SealBinding& binding, ByteView sealed) {
  SecretBytes opened;
  const auto done =
      open_to(user, key, field, binding, sealed, [&opened](ByteView plain) -> Result<void> {
        opened = SecretBytes(plain);
        return {};
      });
  if (!done) return done.error();
  return opened;
}

Result<Bytes> Sealer::seal(const Tenant& owner, const TenantKey& key, Field field,
                           const SealBinding& binding, ByteView plain) {
  return seal_sb1(owner.hash(), key, field, binding, plain);
}

Result<SecretBytes> Sealer::open(const Tenant& owner, const TenantKey& key, Field field,
                                 const SealBinding& binding, ByteView sealed) {
  return open_sb1(owner.hash(), key, field, binding, sealed);
}

Result<SealedTerms> Sealer::seal_terms(const Tenant& owner, const TenantKey& key,
                                       const Uuid& first_chunk, DocId doc_id, ByteView block) {
  auto cipher = seal(owner, key, Field::terms, {first_chunk, doc_id.value()}, block);
  if (!cipher) return cipher.error();
  return SealedTerms(first_chunk, std::move(doc_id), std::move(*cipher));
}

Result<SecretBytes> Sealer::open_terms(const Tenant& owner, const TenantKey& key,
                                       const Uuid& first_chunk, std::string_view doc_id,
                                       ByteView sealed) {
  return open(owner, key, Field::terms, {first_chunk, doc_id}, sealed);
}

// All fields share the binding to the row. Field keeps them apart.
Result<SealedChunk> Sealer::seal(const Tenant& owner, const TenantKey& key, ChunkHeader header,
                                 const ChunkPlain& plain) {
  SealedChunk chunk(std::move(header));
  const SealBinding row{chunk.header_.id, chunk.header_.doc_id.value(),
                        static_cast<std::uint32_t>(chunk.header_.chunk_index)};
  auto text = seal(owner, key, Field::text, row, bytes_of(plain.text));
  if (!text) return text.error();
  chunk.text_cipher_ = std::move(*text);
  if (!plain.meta_json.empty()) {
    auto meta = seal(owner, key, Field::meta, row, bytes_of(plain.meta_json));
    if (!meta) return meta.error();
    chunk.meta_cipher_ = std::move(*meta);
  }
  chunk.embedding_.assign(plain.embedding.begin(), plain.embedding.end());
  return chunk;
}

Result<Passage> Sealer::open(const Tenant& owner, const TenantKey& key, SealedCandidate candidate) {
  const SealBinding row{candidate.id, candidate.doc_id,
                        static_cast<std::uint32_t>(candidate.chunk_index)};
  Passage passage;
  auto done = open_text(owner, key, Field::text, row, candidate.text_cipher, passage.text_);
  if (done && !candidate.meta_cipher.empty()) {
    done = open_text(owner, key, Field::meta, row, candidate.meta_cipher, passage.meta_json_);
    // Neither leaves unless both are genuine.
    if (!done) wipe(passage.text_.data(), passage.text_.size());
  }
  if (!done) return done.error();
  // The caller holds the passage for the whole answer; the ciphers are of no more use.
  candidate.text_cipher.clear();
  candidate.meta_cipher.clear();
  passage.from_ = std::move(candidate);
  return passage;
}

// The id is not authenticated here. A forged id only makes the caller fetch a key under which the
// blob does not open.
Result<std::uint32_t> Sealer::key_id_of(ByteView sealed) {
  if (sealed.size() <= seal_overhead || sealed.size() > limits::seal_bytes_max + seal_overhead ||
      sealed[0] != format_1 || read_u32(sealed.data() + 1) == 0)
    return Error{Errc::key_invalid, "not a sealed value of format SB1"};
  return read_u32(sealed.data() + 1);
}

void Sealer::forget_cached_keys() noexcept { forget_keyed(); }

}  // namespace memseal::crypto
