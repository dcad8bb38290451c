#include "cases/query/internal/opener.hpp"

#include <utility>

namespace memseal::query {

asio::awaitable<std::optional<crypto::Passage>> Opener::open(crypto::SealedCandidate candidate) {
  const auto id = candidate.id;
  const auto key = co_await key_to_open(candidate.text_cipher, id);
  if (!key) co_return std::nullopt;
  auto passage = crypto::Sealer::open(who_, *key, std::move(candidate));
  if (passage) co_return std::move(*passage);
  refuse(Unopened::not_authentic, id);
  co_return std::nullopt;
}

asio::awaitable<std::optional<std::string>> Opener::open_meta(
    const crypto::SealedCandidate& candidate) {
  if (candidate.meta_cipher.empty()) co_return std::string();
  const auto key = co_await key_to_open(candidate.meta_cipher, candidate.id);
  if (!key) co_return std::nullopt;
  const crypto::SealBinding row{candidate.id, candidate.doc_id,
                                static_cast<std::uint32_t>(candidate.chunk_index)};
  const auto meta =
      crypto::Sealer::open(who_, *key, crypto::Field::meta, row, candidate.meta_cipher);
  if (meta) co_return std::string(meta->view().begin(), meta->view().end());
  refuse(Unopened::not_authentic, candidate.id);
  co_return std::nullopt;
}

asio::awaitable<ports::TenantKeyPtr> Opener::key_to_open(const Bytes& blob, Uuid chunk) {
  const auto key_id = crypto::Sealer::key_id_of(blob);
  if (!key_id) {
    refuse(Unopened::not_a_blob, chunk);
    co_return nullptr;
  }
  auto key = co_await keys_.get(*key_id);
  if (!key) refuse(Unopened::key_missing, chunk);
  co_return key;
}

void Opener::refuse(Unopened why, const Uuid& chunk) {
  report_unopened(deps_.metrics, context_, who_, why, chunk.to_string());
}

}  // namespace memseal::query
