#pragma once
// The use cases of a query and of the models by themselves, set up over fakes.
#include "cases/inference/inference.hpp"
#include "cases/query/answer.hpp"
#include "cases/query/browse.hpp"
#include "fakes/chunk_search.hpp"
#include "fakes/embedder.hpp"
#include "fakes/reranker.hpp"
#include "fakes/stored_memory.hpp"
#include "fakes/tenant_keys.hpp"
#include "pure/crypto/document_name.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/policy/breaker.hpp"
#include "pure/text/wordpiece.hpp"
#include "runtime/metrics.hpp"
#include "support/test_key.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace memseal::test {

/// A vocabulary of five words: "red", "planet", "mars", "is", "the".
inline text::WordPiece five_words() {
  return text::WordPiece::from_vocabulary(
             "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nplanet\nmars\nis\nthe\n")
      .value();
}

/// One deployment: its keys, and all that queries and inference need.
struct World {
  crypto::Keyring keyring =
      crypto::Keyring::from_keys(test_key_hex(1), test_key_hex(2), test_key_hex(3)).value();
  crypto::TenantKeyer tenants = keyring.tenant_keyer();
  crypto::IdDeriver ids = keyring.id_deriver();
  runtime::Metrics metrics;
  query::QueryMetrics query_metrics{metrics};
  rerank::RerankMetrics rerank_metrics{metrics};
  fakes::Embedder embedder;
  fakes::ChunkSearch search;
  fakes::TenantKeys keys;
  fakes::Reranker reranker;
  policy::Breaker breaker;
  rerank::Flags flags;
  text::WordPiece tokenizer = five_words();
  rerank::RerankDeps reranking{&reranker, breaker, flags, rerank_metrics};
  query::QueryDeps query{embedder, search, keys, reranking, query_metrics};
  inference::InferenceDeps inference{reranking, embedder, &tokenizer};
  fakes::StoredMemory stored;
  boost::asio::thread_pool cpu{1};
  query::BrowseDeps browse{stored, keys, ids, cpu, query_metrics};

  crypto::Tenant tenant(const std::string& user) const {
    return tenants.tenant_of(UserId::parse(user).value());
  }

  /// A row as the database would return it.
  crypto::SealedCandidate sealed(const crypto::Tenant& owner, int index, const std::string& text,
                                 const std::string& meta = {}, std::uint32_t key_id = 1,
                                 const std::string& doc_id = "doc") {
    const auto doc = DocId::parse(doc_id).value();
    const std::vector<float> vector(4, 0.5f);
    crypto::ChunkHeader header{.id = ids.chunk_id(owner, doc, 1, index),
                               .doc_id = doc,
                               .origin = Origin::upload,
                               .chunk_index = index,
                               .model = "fake-embedder"};
    const auto chunk =
        crypto::Sealer::seal(owner, *keys.key_of(owner, key_id), header, {text, meta, vector})
            .value();
    return {.id = header.id, .doc_id = doc.value(), .origin = header.origin,
            .chunk_index = index, .char_start = 10 * index, .char_end = 10 * index + 9,
            .tags = {"red", "blue"}, .created_at_ms = 1'700'000'000'000,
            .distance = 0.01f * static_cast<float>(index), .text_cipher = chunk.text_cipher(),
            .meta_cipher = chunk.meta_cipher()};
  }

  /// Gives `user` a document or a conversation; `metas` are those of its first texts.
  void remember(const std::string& user, ports::MemoryKind kind, const std::string& id,
                const std::vector<std::string>& texts, const std::vector<std::string>& metas = {},
                const std::string& name = {}) {
    const auto owner = tenant(user);
    auto& entry = stored.entries[{owner, kind}][id];
    entry.memory = {.id = id, .chunks = static_cast<std::int64_t>(texts.size()),
                    .created_at_ms = 1'700'000'000'000, .updated_at_ms = 1'700'000'001'000,
                    .first_at_ms = 1'700'000'000'000, .last_at_ms = 1'700'000'002'000,
                    .tags = {"red"}};
    const bool is_chat = kind == ports::MemoryKind::conversation;
    entry.memory.origin = is_chat ? Origin::chat : Origin::api;
    if (!name.empty()) {
      const crypto::SealBinding place{crypto::document_object(ids, owner, id), id, 0};
      const ByteView bytes(reinterpret_cast<const std::uint8_t*>(name.data()), name.size());
      entry.memory.name_cipher =
          crypto::Sealer::seal(owner, *keys.key_of(owner), crypto::Field::document_name, place,
                               bytes)
              .value();
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto index = static_cast<int>(i);
      auto chunk = sealed(owner, index, texts[i], i < metas.size() ? metas[i] : "", 1, id);
      chunk.origin = entry.memory.origin;
      entry.chunks.push_back({{1'700'000'000'000'000 + index, index, chunk.id}, chunk});
    }
  }

  /// Gives `user` the passages "passage 0", "passage 1", … nearest first.
  void fill(const std::string& user, int count) {
    const auto owner = tenant(user);
    for (int i = 0; i < count; ++i)
      search.rows[owner].push_back(sealed(owner, i, "passage " + std::to_string(i),
                                          R"({"page":)" + std::to_string(i) + "}"));
  }
};

}  // namespace memseal::test
