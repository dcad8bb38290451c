#include "cases/ingest/internal/seal.hpp"

#include "pure/crypto/document_name.hpp"
#include "pure/crypto/sealer.hpp"

namespace memseal::ingest {

namespace {

using ports::Embedding;
using ports::EventWrite;

crypto::SealedChunk seal_chunk(const PrepareDeps& deps, const crypto::Tenant& owner,
                               const crypto::TenantKey& key, const std::string& model,
                               const Document& document, std::size_t at,
                               const Embedding& embedding) {
  const auto& chunk = document.chunks[at];
  crypto::ChunkHeader header{
      .id = document.chunk_id(deps.ids, owner, at),
      .doc_id = document.doc_id,
      .origin = document.origin,
      .chunk_index = chunk.index,
      .char_start = chunk.char_start,
      .char_end = chunk.char_end,
      .tags = document.tags,
      .model = model};
  if (!document.pieces.empty()) {
    const auto said_ms = document.conversation->turns[document.pieces[at].turn].said.at_ms;
    if (said_ms > 0) header.created_at_ms = said_ms;
  }
  const crypto::ChunkPlain plain{.text = chunk.text,
                                 .meta_json = document.meta_of(at),
                                 .embedding = embedding,
                                 .seal_embedding = deps.options->seal_vectors};
  return crypto::Sealer::seal(owner, key, std::move(header), plain).value();
}

}  // namespace

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
                      const std::vector<Embedding>& embeddings) {
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
  for (std::size_t i = 0; i < document.chunks.size(); ++i)
    write.chunks.push_back(
        seal_chunk(deps, owner, key, model, document, i, embeddings[i]));
  return write;
}

}  // namespace memseal::ingest
