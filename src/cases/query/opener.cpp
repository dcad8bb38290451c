#include "cases/query/internal/opener.hpp"

#include "runtime/log.hpp"

#include <utility>

namespace memseal::query {

asio::awaitable<std::optional<crypto::Passage>> Opener::open(crypto::SealedCandidate candidate) {
  const auto id = candidate.id;
  const auto key = co_await key_to_open(candidate.text_cipher, id);
  if (!key) co_return std::nullopt;
  auto passage = crypto::Sealer::open(who_, *key, std::move(candidate));
  if (passage) co_return std::move(*passage);
  refuse_not_authentic(id);
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
  refuse_not_authentic(candidate.id);
  co_return std::nullopt;
}

asio::awaitable<ports::TenantKeyPtr> Opener::key_to_open(const Bytes& blob, Uuid chunk) {
  const auto key_id = crypto::Sealer::key_id_of(blob);
  if (!key_id) {
    refuse(deps_.metrics.open_not_a_blob, "not_a_blob", chunk);
    co_return nullptr;
  }
  auto key = co_await key_of(*key_id);
  if (!key) refuse(deps_.metrics.open_key_missing, "key_missing", chunk);
  co_return key;
}

asio::awaitable<ports::TenantKeyPtr> Opener::key_of(std::uint32_t key_id) {
  if (const auto known = keys_.find(key_id); known != keys_.end()) co_return known->second;
  // A key that the tenant does not have is remembered too, as null. Many damaged rows then cost
  // one look-up and not one each.
  auto key = co_await deps_.keys.opening_key(context_, who_, key_id);
  keys_.emplace(key_id, key);
  co_return key;
}

// Row-level security returns a tenant's own rows only. A row that another key sealed means that
// isolation in the database has failed, so it has a counter to raise an alarm on.
void Opener::refuse_not_authentic(const Uuid& chunk) {
  deps_.metrics.cross_tenant_decrypt_attempts.Increment();
  deps_.metrics.aad_mismatches.Increment();
  refuse(deps_.metrics.open_not_authentic, "not_authentic", chunk);
}

void Opener::refuse(runtime::Counter& counter, const char* cause, const Uuid& chunk) {
  counter.Increment();
  runtime::log(runtime::LogLevel::error, "query.open_failed",
               {{"request_id", context_.id}, {"cause", cause},
                {"user_hash", who_.hash().prefix()}, {"chunk", chunk.to_string()}});
}

}  // namespace memseal::query
