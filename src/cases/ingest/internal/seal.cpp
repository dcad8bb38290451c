#include "cases/ingest/internal/seal.hpp"

#include "pure/crypto/document_name.hpp"
#include "pure/crypto/embed_mac.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/term_hasher.hpp"
#include "pure/lexical/term_block.hpp"
#include "pure/text/terms.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>

namespace memseal::ingest {

namespace {

/// Sealed between two looks whether something is more urgent.
constexpr std::size_t chunks_at_once = 64;

using ports::Embedding;
using ports::EventWrite;

crypto::SealedChunk seal_chunk(const PrepareDeps& deps, const crypto::Tenant& owner,
                               const crypto::TenantKey& key, const std::string& model,
                               const Document& document, std::size_t at,
                               const Embedding& embedding, std::optional<Uuid> embed_mac) {
  const auto& chunk = document.chunks[at];
  crypto::ChunkHeader header{
      .id = document.chunk_id(deps.ids, owner, at),
      .doc_id = document.doc_id,
      .origin = document.origin,
      .chunk_index = chunk.index,
      .char_start = chunk.char_start,
      .char_end = chunk.char_end,
      .tags = document.tags,
      .model = model,
      .embed_mac = embed_mac};
  if (!document.pieces.empty()) {
    const auto said_ms = document.conversation->turns[document.pieces[at].turn].said.at_ms;
    // When it was said, not when it was stored: filters by time and the order of turns mean that.
    if (said_ms > 0) header.created_at_ms = said_ms;
  }
  const auto meta_json = document.meta_of(at);
  const crypto::ChunkPlain plain{.text = chunk.text,
                                 .meta_json = meta_json,
                                 .embedding = embedding};
  return crypto::Sealer::seal(owner, key, std::move(header), plain).value();
}

/// Makes the blocks of terms of one event.
class TermSealer {
 public:
  TermSealer(const crypto::Tenant& owner, const crypto::TenantKey& key, const DocId& doc_id)
      : owner_(owner), key_(key), doc_id_(doc_id), hasher_(key) {}

  void add(const Uuid& chunk, const std::string& text) {
    const auto terms = text::terms_of(text);
    std::vector<lexical::Posting> postings;
    for (const auto& term : terms.distinct)
      postings.push_back(lexical::posting_of(hash_of(term.text), term.count));
    // By their hashes: the order of the terms in the text, or in the alphabet, tells of them.
    std::sort(postings.begin(), postings.end());
    const lexical::ChunkTerms of_chunk{chunk, terms.words, postings};
    if (writer_.empty()) first_chunk_ = chunk;
    // A block has the size of one seal. A chunk that does not fit begins the next one.
    if (writer_.add(of_chunk)) return;
    end_block();
    first_chunk_ = chunk;
    writer_.add(of_chunk);
  }

  /// What is added from here on is deleted apart from what was added before.
  void end_block() {
    if (writer_.empty()) return;
    auto block = writer_.take();
    sealed_.push_back(
        crypto::Sealer::seal_terms(owner_, key_, first_chunk_, doc_id_, block).value());
    wipe(block.data(), block.size());
  }

  std::vector<crypto::SealedTerms> take() {
    end_block();
    return std::move(sealed_);
  }

 private:
  // Once a document: its chunks have most of their words in common, and an HMAC is the most of what
  // a term costs.
  std::uint64_t hash_of(const std::string& term) {
    const auto [known, is_new] = hashes_.try_emplace(term, 0);
    if (is_new) known->second = hasher_.hash(term);
    return known->second;
  }

  const crypto::Tenant& owner_;
  const crypto::TenantKey& key_;
  const DocId& doc_id_;
  const crypto::TermHasher hasher_;
  std::unordered_map<std::string, std::uint64_t> hashes_;
  lexical::BlockWriter writer_;
  Uuid first_chunk_;
  std::vector<crypto::SealedTerms> sealed_;
};

/// A document is replaced as a whole, and turns are deleted one by one.
std::vector<crypto::SealedTerms> seal_terms(const crypto::Tenant& owner,
                                            const crypto::TenantKey& key, const Document& document,
                                            const std::vector<crypto::SealedChunk>& chunks,
                                            const std::function<void()>& make_way) {
  TermSealer sealer(owner, key, document.doc_id);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (i > 0 && i % chunks_at_once == 0) make_way();
    const bool new_turn = i > 0 && !document.pieces.empty() &&
                          document.pieces[i].turn != document.pieces[i - 1].turn;
    // A block goes with its first chunk, and a turn can be deleted alone.
    if (new_turn) sealer.end_block();
    sealer.add(chunks[i].header().id, document.chunks[i].text);
  }
  return sealer.take();
}

/// A MAC for each chunk that is the first with it. Turns have none, because they are not edited.
std::vector<std::optional<Uuid>> first_macs(const crypto::TenantKey& key, const Document& document,
                                            const std::string& model,
                                            const std::vector<Embedding>& embeddings,
                                            const std::function<void()>& make_way) {
  std::vector<std::optional<Uuid>> firsts(document.chunks.size());
  if (document.origin == Origin::chat || firsts.empty()) return firsts;
  const auto macs = embed_macs(key, document, model, embeddings.front().size(), make_way);
  std::set<Uuid> seen;
  for (std::size_t i = 0; i < macs.size(); ++i)
    if (seen.insert(macs[i]).second) firsts[i] = macs[i];
  return firsts;
}

}  // namespace

std::vector<Uuid> embed_macs(const crypto::TenantKey& key, const Document& document,
                             const std::string& model, std::size_t dimension,
                             const std::function<void()>& make_way) {
  const crypto::EmbedMac mac(key, document.doc_id, model, dimension);
  std::vector<Uuid> macs;
  macs.reserve(document.chunks.size());
  for (std::size_t i = 0; i < document.chunks.size(); ++i) {
    if (i > 0 && i % chunks_at_once == 0) make_way();
    macs.push_back(mac.of(document.chunks[i].tokens, document.embedded_text(i)));
  }
  return macs;
}

EventWrite write_head(const Prepared& event) {
  const auto& document = *event.document;
  return {.event_id = event.event_id,
          .origin = document.origin,
          .doc_id = document.doc_id,
          .revision = document.revision,
          .by_arrival = document.by_arrival,
          .source = event.first_place,
          .replayed = event.replayed,
          .document_name_cipher = {},
          .chunks = {},
          .deletion = document.deletion};
}

EventWrite seal_event(const PrepareDeps& deps, const crypto::Tenant& owner,
                      const crypto::TenantKey& key, const std::string& model, const Prepared& event,
                      const std::vector<Embedding>& embeddings,
                      const std::function<void()>& make_way) {
  const auto& document = *event.document;
  auto write = write_head(event);
  if (!document.name.empty()) {
    const auto& doc_id = write.doc_id.value();
    const crypto::SealBinding binding{crypto::document_object(deps.ids, owner, doc_id), doc_id, 0};
    write.document_name_cipher = crypto::Sealer::seal(owner, key, crypto::Field::document_name,
                                                      binding, bytes_of(document.name))
                                     .value();
  }
  write.chunks.reserve(document.chunks.size());
  const auto macs = first_macs(key, document, model, embeddings, make_way);
  for (std::size_t i = 0; i < document.chunks.size(); ++i) {
    if (i > 0 && i % chunks_at_once == 0) make_way();
    write.chunks.push_back(
        seal_chunk(deps, owner, key, model, document, i, embeddings[i], macs[i]));
  }
  if (deps.options->terms) write.terms = seal_terms(owner, key, document, write.chunks, make_way);
  return write;
}

}  // namespace memseal::ingest
