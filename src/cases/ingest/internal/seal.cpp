#include "cases/ingest/internal/seal.hpp"

#include "pure/crypto/sealer.hpp"

namespace memseal::ingest {

namespace {

using ports::Embedding;
using ports::EventWrite;

ByteView bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

crypto::SealedChunk seal_chunk(const PrepareDeps& deps, const crypto::Tenant& owner,
                               const crypto::TenantKey& key, const std::string& model,
                               const Document& document, const text::Chunk& chunk,
                               const Embedding& embedding) {
  crypto::ChunkHeader header{
      .id = deps.ids.chunk_id(owner, document.doc_id, document.chunk_revision, chunk.index),
      .doc_id = document.doc_id,
      .origin = document.origin,
      .chunk_index = chunk.index,
      .char_start = chunk.char_start,
      .char_end = chunk.char_end,
      .tags = document.tags,
      .model = model};
  const crypto::ChunkPlain plain{.text = chunk.text,
                                 .meta_json = document.meta_json,
                                 .embedding = embedding,
                                 .seal_embedding = deps.options->seal_vectors};
  return crypto::Sealer::seal(owner, key, std::move(header), plain).value();
}

}  // namespace

EventWrite seal_event(const PrepareDeps& deps, const crypto::Tenant& owner,
                      const crypto::TenantKey& key, const std::string& model, const Prepared& event,
                      const std::vector<Embedding>& embeddings) {
  const auto& document = *event.document;
  EventWrite write{.event_id = event.event_id,
                   .origin = document.origin,
                   .doc_id = document.doc_id,
                   .revision = document.revision,
                   .by_arrival = document.by_arrival};
  if (!document.name.empty()) {
    const crypto::SealBinding binding{document_object(deps.ids, owner, write.doc_id.value()),
                                      write.doc_id.value(), 0};
    write.document_name_cipher = crypto::Sealer::seal(owner, key, crypto::Field::document_name,
                                                      binding, bytes_of(document.name))
                                     .value();
  }
  write.chunks.reserve(document.chunks.size());
  for (std::size_t i = 0; i < document.chunks.size(); ++i)
    write.chunks.push_back(
        seal_chunk(deps, owner, key, model, document, document.chunks[i], embeddings[i]));
  return write;
}

}  // namespace memseal::ingest
